/*
 * System calls that were in progress. A thread that is stopped inside one has left it with an error that only the
 * kernel sees: it is going to make the call again, or to return EINTR because a handler runs first. It decides that
 * when the thread goes on, so the error is kept (stasis-extra.img) and given back at restore.
 *
 * Two families need help, and get it where the arguments prove that it is right:
 * - calls with a restart block (ERESTART_RESTARTBLOCK) carry on from a note inside the kernel that nobody can read or
 *   write. Those whose arguments still say all of it are made again; the others give EINTR, which their manual pages
 *   allow.
 * - calls that return EINTR although nothing but our stop has disturbed them are made again.
 * The registers of the stopped thread are changed as well, as soon as they are read, so a target that runs on does not
 * notice us either.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "dump/extra.h"
#include "dump/restart.h"

/* The kernel's own, from its include/linux/errno.h. */
enum {
	ERESTARTSYS = 512,
	ERESTARTNOINTR = 513,
	ERESTARTNOHAND = 514,
	ERESTART_RESTARTBLOCK = 516,
};

typedef struct user_regs_struct regs;

static bool always(const regs *r)
{
	(void)r;
	return true;
}

/* poll, epoll_wait: a negative timeout is none. */
static bool third_is_negative(const regs *r)
{
	return (int)r->rdx < 0;
}

static bool fourth_is_negative(const regs *r)
{
	return (int)r->r10 < 0;
}

static bool third_is_null(const regs *r)
{
	return r->rdx == 0;
}

static bool fourth_is_null(const regs *r)
{
	return r->r10 == 0;
}

static bool fifth_is_null(const regs *r)
{
	return r->r8 == 0;
}

/* The kernel has written the time that is left over the time that was asked for. */
static bool nanosleep_counts_down(const regs *r)
{
	return r->rdi == r->rsi;
}

static bool clock_nanosleep_counts_down(const regs *r)
{
	return r->rdx == r->r10;
}

/* FUTEX_WAIT_BITSET takes a point in time, FUTEX_WAIT a span. */
static bool futex_waits_until(const regs *r)
{
	return ((int)r->rsi & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

struct restart_rule {
	int error; /* what the call was leaving with */
	int nr;
	bool (*again)(const regs *r); /* the arguments say all there is to know */
};

static const struct restart_rule rules[] = {
	{ ERESTART_RESTARTBLOCK, SYS_poll, third_is_negative },
	{ ERESTART_RESTARTBLOCK, SYS_nanosleep, nanosleep_counts_down },
	{ ERESTART_RESTARTBLOCK, SYS_clock_nanosleep, clock_nanosleep_counts_down },
	{ ERESTART_RESTARTBLOCK, SYS_futex, futex_waits_until },
	{ EINTR, SYS_epoll_wait, fourth_is_negative },
	{ EINTR, SYS_epoll_pwait, fourth_is_negative },
	{ EINTR, SYS_epoll_pwait2, fourth_is_null },
	{ EINTR, SYS_rt_sigtimedwait, third_is_null },
	{ EINTR, SYS_semop, always },
	{ EINTR, SYS_semtimedop, fourth_is_null },
	{ EINTR, SYS_io_getevents, fifth_is_null },
};

/* Numbers and arguments are those of 64-bit code only if the instruction was 'syscall', not 'int $0x80'. */
static bool by_syscall(int tid, const regs *r)
{
	unsigned char code[2];
	struct iovec here = { code, 2 }, there = { (void *)(r->rip - 2), 2 };

	return process_vm_readv(tid, &here, 1, &there, 1, 0) == 2 && code[0] == 0x0f &&
	       code[1] == 0x05;
}

bool restart_again(const regs *r, int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].error == error && rules[i].nr == (int64_t)r->orig_rax)
			return rules[i].again(r);
	return false;
}

static bool in_call(const regs *r)
{
	return (int64_t)r->orig_rax >= 0;
}

bool restart_mend(int tid, struct user_regs_struct *r)
{
	int64_t ax = (int64_t)r->rax;

	if (!in_call(r) || (ax != -EINTR && ax != -ERESTART_RESTARTBLOCK) ||
	    !restart_again(r, -ax) || !by_syscall(tid, r))
		return false;
	r->rax = -ERESTARTNOHAND;
	return true;
}

static int restart_thread_read(struct thread *th, struct err *e)
{
	int64_t ax = (int64_t)th->regs.rax;

	(void)e;
	if (!in_call(&th->regs))
		return 0; /* it was not in the kernel, or its call is over */
	if (ax == -ERESTARTSYS || ax == -ERESTARTNOINTR || ax == -ERESTARTNOHAND) {
		thread_extra(th)->has_restart = 1;
		thread_extra(th)->restart = -ax;
	}
	return 0;
}

const struct task_kind restart_task_kind = {
	.name = "task/restart",
	.thread_read = restart_thread_read,
};
