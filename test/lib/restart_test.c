/*
 * Which interrupted system calls are simply made again. The second half asks the kernel whether what the rules take for
 * granted is so: how calls leave when they are interrupted, and that the kernel decides by the registers it finds.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "dump/restart.h"
#include "lib/own.h"
#include "lib/ptrace.h"
#include "test/lib/unit.h"

#define RESTARTBLOCK 516
#define NOHAND 514

static bool again(int error, long nr, const uint64_t *a)
{
	struct user_regs_struct r = {
		.orig_rax = nr,
		.rdi = a[0],
		.rsi = a[1],
		.rdx = a[2],
		.r10 = a[3],
		.r8 = a[4],
	};

	return restart_again(&r, error);
}

#define AGAIN(error, nr, ...) again(error, nr, (const uint64_t[5]){ __VA_ARGS__ })

static void restart_blocks(void)
{
	const uint64_t forever = (uint32_t)-1;

	assert(AGAIN(RESTARTBLOCK, SYS_poll, 1, 1, forever));
	assert(!AGAIN(RESTARTBLOCK, SYS_poll, 1, 1, 1000));
	assert(AGAIN(RESTARTBLOCK, SYS_nanosleep, 0x1000, 0x1000));
	assert(!AGAIN(RESTARTBLOCK, SYS_nanosleep, 0x1000, 0x2000));
	assert(!AGAIN(RESTARTBLOCK, SYS_nanosleep, 0x1000, 0));
	assert(AGAIN(RESTARTBLOCK, SYS_clock_nanosleep, 1, 0, 0x1000, 0x1000));
	assert(!AGAIN(RESTARTBLOCK, SYS_clock_nanosleep, 1, 0, 0x1000, 0));
	assert(AGAIN(RESTARTBLOCK, SYS_futex, 1, FUTEX_WAIT_BITSET_PRIVATE));
	assert(AGAIN(RESTARTBLOCK, SYS_futex, 1, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME));
	assert(!AGAIN(RESTARTBLOCK, SYS_futex, 1, FUTEX_WAIT_PRIVATE));
	assert(!AGAIN(RESTARTBLOCK, SYS_restart_syscall));
	assert(!AGAIN(RESTARTBLOCK, SYS_read));
}

static void only_interrupted_by_us(void)
{
	const uint64_t forever = (uint32_t)-1;

	assert(AGAIN(EINTR, SYS_epoll_wait, 3, 1, 1, forever));
	assert(!AGAIN(EINTR, SYS_epoll_wait, 3, 1, 1, 10));
	assert(AGAIN(EINTR, SYS_epoll_pwait2, 3, 1, 1, 0));
	assert(!AGAIN(EINTR, SYS_epoll_pwait2, 3, 1, 1, 0x1000));
	assert(AGAIN(EINTR, SYS_rt_sigtimedwait, 1, 1, 0));
	assert(!AGAIN(EINTR, SYS_rt_sigtimedwait, 1, 1, 0x1000));
	assert(AGAIN(EINTR, SYS_semop));
	assert(AGAIN(EINTR, SYS_semtimedop, 1, 1, 1, 0));
	assert(!AGAIN(EINTR, SYS_semtimedop, 1, 1, 1, 0x1000));
	/* A timeout of the socket: nobody outside knows how much of it is left. */
	assert(!AGAIN(EINTR, SYS_recvfrom, 3));
	assert(!AGAIN(EINTR, SYS_read, 3));
}

struct seen {
	struct timespec request, left;
	long result;
	int error;
};

static struct seen *seen;

/* A child that makes the call; it is stopped inside, and its registers are read. */
static pid_t stop_inside(void (*call)(void), struct user_regs_struct *regs)
{
	struct stop s;
	struct err e = { 0 };
	pid_t pid;

	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(seen != MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		call();
		seen->error = errno;
		_exit(0);
	}
	usleep(100000);
	assert(tracee_seize(pid, 0, &e) == 0 && tracee_interrupt(pid, &e) == 0);
	assert(tracee_wait(pid, &s, &e) == 0 && s.kind == STOP_INTERRUPT);
	assert(tracee_get_regs(pid, regs, &e) == 0);
	return pid;
}

static void end(pid_t pid)
{
	assert(kill(pid, SIGKILL) == 0);
	assert(waitpid(pid, NULL, __WALL) == pid);
}

static void sleep_with_rest(void)
{
	seen->request.tv_sec = 100;
	seen->left.tv_sec = -1;
	seen->result = syscall(SYS_nanosleep, &seen->request, &seen->left);
}

/* The time left is there before the call returns: EINTR tells the truth, and the rest can be slept again. */
static void kernel_writes_the_time_left(void)
{
	struct user_regs_struct r;
	pid_t pid = stop_inside(sleep_with_rest, &r);

	assert((long)r.rax == -RESTARTBLOCK && r.orig_rax == SYS_nanosleep);
	assert(seen->left.tv_sec == 99);
	end(pid);
}

static void wait_for_events(void)
{
	struct epoll_event ev;

	seen->result = syscall(SYS_epoll_wait, epoll_create1(0), &ev, 1, -1);
}

static void ignore(int sig)
{
	(void)sig;
}

static void wait_with_handler(void)
{
	signal(SIGUSR1, ignore);
	wait_for_events();
}

static void set_error(pid_t pid, struct user_regs_struct *r, int error)
{
	struct err e = { 0 };

	r->rax = -error;
	assert(tracee_set_regs(pid, r, &e) == 0);
}

/* EINTR, put as "again unless a handler runs": the kernel then makes the call again. */
static void kernel_makes_it_again(void)
{
	struct user_regs_struct r;
	struct err e = { 0 };
	struct stop s;
	pid_t pid = stop_inside(wait_for_events, &r);

	assert((long)r.rax == -EINTR && r.orig_rax == SYS_epoll_wait);
	set_error(pid, &r, NOHAND);
	assert(tracee_go(pid, PTRACE_CONT, 0, &e) == 0);
	usleep(100000);
	assert(tracee_interrupt(pid, &e) == 0 && tracee_wait(pid, &s, &e) == 0);
	assert(s.kind == STOP_INTERRUPT && tracee_get_regs(pid, &r, &e) == 0);
	assert((long)r.rax == -EINTR && r.orig_rax == SYS_epoll_wait);
	end(pid);
}

/* And the handler of a signal that waits still makes it EINTR. */
static void kernel_gives_eintr_to_a_handler(void)
{
	struct user_regs_struct r;
	pid_t pid = stop_inside(wait_with_handler, &r);

	assert(kill(pid, SIGUSR1) == 0);
	set_error(pid, &r, NOHAND);
	tracee_detach(pid, 0);
	assert(waitpid(pid, NULL, 0) == pid);
	assert(seen->result == -1 && seen->error == EINTR);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(restart_blocks),
		UNIT(only_interrupted_by_us),
		UNIT(kernel_writes_the_time_left),
		UNIT(kernel_makes_it_again),
		UNIT(kernel_gives_eintr_to_a_handler),
		{},
	});
}
