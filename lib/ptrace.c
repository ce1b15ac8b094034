/* ptrace(2) with names; see ptrace.h. */
#include "lib/ptrace.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/wait.h>

struct stop stop_decode(int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (WIFEXITED(status))
		return (struct stop){ STOP_EXITED, WEXITSTATUS(status) };
	if (WIFSIGNALED(status))
		return (struct stop){ STOP_KILLED, WTERMSIG(status) };
	if (event == PTRACE_EVENT_STOP)
		return sig == SIGTRAP ? (struct stop){ STOP_INTERRUPT, 0 } :
					(struct stop){ STOP_GROUP, sig };
	if (event)
		return (struct stop){ STOP_EVENT, event };
	if (sig == (SIGTRAP | 0x80))
		return (struct stop){ STOP_SYSCALL, 0 };
	return (struct stop){ STOP_SIGNAL, sig };
}

const char *stop_text(struct stop s, char *buf, size_t size)
{
	static const char *const text[] = {
		[STOP_INTERRUPT] = "was interrupted",
		[STOP_GROUP] = "was stopped by signal %d",
		[STOP_SIGNAL] = "got signal %d",
		[STOP_SYSCALL] = "is in a system call",
		[STOP_EVENT] = "reported event %d",
		[STOP_EXITED] = "exited with status %d",
		[STOP_KILLED] = "was killed by signal %d",
	};

	snprintf(buf, size, text[s.kind], s.value);
	return buf;
}

int tracee_seize(int tid, unsigned long options, struct err *e)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, options) < 0)
		return err_sys(e, "seize thread %d", tid);
	return 0;
}

int tracee_interrupt(int tid, struct err *e)
{
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return err_sys(e, "interrupt thread %d", tid);
	return 0;
}

int tracee_wait(int tid, struct stop *ret, struct err *e)
{
	int status;
	pid_t got = waitpid(tid, &status, __WALL);

	if (got < 0)
		return err_sys(e, "wait for thread %d", tid);
	*ret = stop_decode(status);
	return 0;
}

int tracee_go(int tid, int request, int signal, struct err *e)
{
	if (ptrace(request, tid, 0, (long)signal) < 0)
		return err_sys(e, "let thread %d run", tid);
	return 0;
}

void tracee_detach(int tid, int signal)
{
	ptrace(PTRACE_DETACH, tid, 0, (long)signal);
}

int tracee_get_regs(int tid, struct user_regs_struct *ret, struct err *e)
{
	struct iovec io = { ret, sizeof(*ret) };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return err_sys(e, "read the registers of thread %d", tid);
	if (io.iov_len != sizeof(*ret))
		return err_code(e, ENOTSUP, "thread %d runs 32-bit code, which is not supported",
				tid);
	return 0;
}

int tracee_set_regs(int tid, const struct user_regs_struct *regs, struct err *e)
{
	struct iovec io = { (void *)regs, sizeof(*regs) };

	if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) < 0)
		return err_sys(e, "set the registers of thread %d", tid);
	return 0;
}

int tracee_get_mask(int tid, uint64_t *ret, struct err *e)
{
	if (ptrace(PTRACE_GETSIGMASK, tid, sizeof(*ret), ret) < 0)
		return err_sys(e, "read the signal mask of thread %d", tid);
	return 0;
}

int tracee_set_mask(int tid, uint64_t mask, struct err *e)
{
	if (ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask) < 0)
		return err_sys(e, "set the signal mask of thread %d", tid);
	return 0;
}

int tracee_get_xstate(int tid, void *buf, size_t *size, struct err *e)
{
	struct iovec io = { buf, *size };

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &io) < 0)
		return err_sys(e, "read the extended state of thread %d", tid);
	*size = io.iov_len;
	return 0;
}

int tracee_set_xstate(int tid, const void *buf, size_t size, struct err *e)
{
	struct iovec io = { (void *)buf, size };

	if (ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &io) < 0)
		return err_sys(e, "set the extended state of thread %d", tid);
	return 0;
}

size_t xstate_size_max(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		return 4096;
	/* ECX: all components that the processor has; the kernel may enable fewer. */
	return (c + 4095) & ~4095UL;
}

int tracee_park(int tid, struct err *e)
{
	struct stop s;

	if (tracee_interrupt(tid, e) < 0 || tracee_go(tid, PTRACE_CONT, 0, e) < 0)
		return e->code;
	for (;;) {
		int r = tracee_wait(tid, &s, e);

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
			return 0;
		if (s.kind == STOP_EXITED || s.kind == STOP_KILLED)
			return err_code(e, ESRCH, "thread %d is gone", tid);
		if (tracee_go(tid, PTRACE_CONT, s.kind == STOP_SIGNAL ? s.value : 0, e) < 0)
			return e->code;
	}
}
