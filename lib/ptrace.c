/* ptrace(2) with names; see ptrace.h. */
#include "lib/ptrace.h"

#include <cpuid.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/own.h"

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

int tracee_set_options(int tid, unsigned long options, struct err *e)
{
	if (ptrace(PTRACE_SETOPTIONS, tid, 0, options) < 0)
		return err_sys(e, "set the tracing of thread %d", tid);
	return 0;
}

int tracee_interrupt(int tid, struct err *e)
{
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) < 0)
		return err_sys(e, "interrupt thread %d", tid);
	return 0;
}

static int status_of(const siginfo_t *info)
{
	switch (info->si_code) {
	case CLD_EXITED:
		return info->si_status << 8;
	case CLD_KILLED:
	case CLD_DUMPED:
		return info->si_status;
	default:
		return info->si_status << 8 | 0x7f;
	}
}

/*
 * The report of a signal is left where it is: taking it would make the kernel forget the signal if we were killed
 * before we have passed it on. Returns 1, 0 (WNOHANG: there is no report), or -1 with errno.
 */
static int take_report(int tid, int options, struct stop *ret)
{
	siginfo_t info = { 0 };
	int status;

	if (waitid(P_PID, tid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL | options) < 0)
		return -1;
	if (info.si_pid == 0)
		return 0;
	*ret = stop_decode(status_of(&info));
	if (ret->kind != STOP_SIGNAL && waitpid(tid, &status, WNOHANG | __WALL) == tid)
		*ret = stop_decode(status); /* it may have been killed between */
	return 1;
}

int tracee_wait(int tid, struct stop *ret, struct err *e)
{
	if (take_report(tid, 0, ret) < 0)
		return err_sys(e, "wait for thread %d", tid);
	return 0;
}

int tracee_look(int tid, struct stop *ret, struct err *e)
{
	int got = take_report(tid, WNOHANG, ret);

	return got < 0 ? err_sys(e, "look at thread %d", tid) : got;
}

bool tracee_is_ours(int tid)
{
	siginfo_t info;

	return waitid(P_PID, tid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0;
}

int tracee_next(int *ret_tid, struct stop *ret, struct err *e)
{
	siginfo_t any = { 0 };

	if (waitid(P_ALL, 0, &any, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0)
		return err_sys(e, "wait for a thread");
	*ret_tid = any.si_pid;
	return take_report(any.si_pid, WNOHANG, ret) > 0;
}

/* The registers are those with which the kernel would make the call again, or those just before it. */
void tracee_on_tick(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *at = (const uint8_t *)r[REG_RIP];

	(void)sig;
	(void)info;
	if (r[REG_RAX] != SYS_ptrace || r[REG_RDI] != PTRACE_SEIZE || at[0] != 0x0f ||
	    at[1] != 0x05)
		return;
	r[REG_RIP] += 2;
	r[REG_RAX] = -EINTR;
}

bool tracee_any(int *ret_tid, struct stop *ret)
{
	siginfo_t any = { 0 };

	while (waitid(P_ALL, 0, &any, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0 &&
	       any.si_pid) {
		*ret_tid = any.si_pid;
		if (take_report(any.si_pid, WNOHANG, ret) > 0)
			return true;
	}
	return false;
}

bool tracee_ends(int tid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, tid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) == 0 &&
	       info.si_pid == tid && info.si_code == CLD_TRAPPED &&
	       info.si_status >> 8 == PTRACE_EVENT_EXIT;
}

bool tracee_reap(int tid)
{
	siginfo_t info = { 0 };
	int status;

	/* Looked at first: the report of a stop is not for us to take. */
	if (waitid(P_PID, tid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0)
		return errno == ECHILD;
	if (info.si_code != CLD_EXITED && info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED)
		return false;
	return waitpid(tid, &status, WNOHANG | __WALL) == tid;
}

/* All but the first, whose end is what we wait for. */
static void reap_threads(int leader)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", leader);
	own_dir dir = opendir(path);
	for (struct dirent *d; dir && (d = readdir(dir));)
		if (atoi(d->d_name) > 0 && atoi(d->d_name) != leader)
			(void)tracee_reap(atoi(d->d_name));
}

int tracee_await(int tid, struct stop *ret, struct err *e)
{
	for (useconds_t pause = 50;;) {
		siginfo_t any = { 0 };
		int got = take_report(tid, WNOHANG, ret);

		if (got > 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return err_sys(e, "wait for thread %d", tid);
		if (waitid(P_ALL, 0, &any, WEXITED | WSTOPPED | WNOWAIT | __WALL) < 0 ||
		    any.si_pid == tid)
			continue;
		/* The report of another one, which is for somebody else to take. */
		usleep(pause);
		if (pause < 10000)
			pause *= 2;
		else
			reap_threads(tid);
	}
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

int tracee_settle(int tid, struct stop *ret, struct err *e)
{
	for (;;) {
		if (tracee_await(tid, ret, e) < 0)
			return e->code;
		if (ret->kind == STOP_INTERRUPT || ret->kind == STOP_GROUP)
			return 0;
		if (ret->kind == STOP_EXITED || ret->kind == STOP_KILLED)
			return err_code(e, ESRCH, "thread %d is gone", tid);
		if (tracee_pass(tid, *ret, e) < 0)
			return e->code;
	}
}

int tracee_pass(int tid, struct stop s, struct err *e)
{
	/* Any other stop makes the kernel forget that one was asked for. */
	if (tracee_interrupt(tid, e) < 0)
		return e->code;
	return tracee_go(tid, PTRACE_CONT, s.kind == STOP_SIGNAL ? s.value : 0, e);
}

int tracee_park(int tid, struct err *e)
{
	struct stop s;

	if (tracee_interrupt(tid, e) < 0 || tracee_go(tid, PTRACE_CONT, 0, e) < 0)
		return e->code;
	return tracee_settle(tid, &s, e);
}
