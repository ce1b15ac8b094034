/* Targets that make it hard: filters that kill, a restartable sequence, signals that keep coming. */
#include "test/lib/held.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/rseq.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/rseq.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "dump/dump.h"
#include "test/lib/unit.h"

static void wait_until(volatile uint64_t *value, uint64_t least)
{
	for (int ms = 0; *value < least; ms++) {
		assert(ms < 20000);
		usleep(1000);
	}
}

/* --- filters ---------------------------------------------------------------------------------------- */

struct busy {
	volatile uint64_t loops, ready, settled;
	uint64_t strict;
};

/* Anything but these ends the process: nothing that the runner does is among them. */
static void only_sleep(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	assert(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) ==
	       0);
}

static void *sleep_on(void *arg)
{
	struct busy *b = arg;

	for (__atomic_add_fetch(&b->ready, 1, __ATOMIC_SEQ_CST);; b->loops++)
		usleep(100);
	return NULL;
}

static void be_filtered(void *arg)
{
	struct busy *b = arg;
	pthread_t t;

	for (int i = 0; i < 3 && !b->strict; i++)
		assert(pthread_create(&t, NULL, sleep_on, arg) == 0);
	wait_until(&b->ready, b->strict ? 0 : 3);
	if (b->strict)
		assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
	else
		only_sleep();
	for (b->settled = 1;;) {
		b->loops++;
		if (!b->strict)
			usleep(1000);
	}
}

static void inject_filtered(bool strict)
{
	struct busy *b = held_shared(sizeof(*b));
	char *was, *is;

	b->strict = strict;
	int pid = held_start(be_filtered, b);
	wait_until(&b->settled, 1);
	struct held *h = held_new(pid);
	was = snapshot_take(pid);
	for (int round = 0; round < 20; round++) {
		held_stop(h);
		held_inject(h);
		held_unchanged(h);
		held_let_go(h);
		wait_until(&b->loops, b->loops + 3);
	}
	is = snapshot_take(pid);
	snapshot_same(was, is);
}

static void a_filter_sees_nothing(void)
{
	inject_filtered(false);
}

static void strict_mode_sees_nothing(void)
{
	inject_filtered(true);
}

/* --- a restartable sequence ------------------------------------------------------------------------- */

static volatile uint64_t *spins, *aborts;

static __attribute__((noinline)) void section(struct rseq *rs)
{
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n"
		     ".balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     ".popsection\n"
		     "	lea 3b(%%rip), %%rax\n"
		     "	mov %%rax, %c[cs](%[rs])\n"
		     "1:	incq (%[spins])\n"
		     "	jmp 1b\n"
		     "2:	.long %c[sig]\n"
		     "4:	jmp %l[thrown_out]\n"
		     :
		     : [rs] "r"(rs), [cs] "i"(offsetof(struct rseq, rseq_cs)), [spins] "r"(spins),
		       [sig] "i"(RSEQ_SIG)
		     : "rax", "memory", "cc"
		     : thrown_out);
thrown_out:
	++*aborts;
}

static void be_in_section(void *arg)
{
	for (;;)
		section((struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset));
	(void)arg;
}

/* As dump does it before anything of ours is in there. */
static void look_at_section(struct held *h)
{
	extern const struct task_kind rseq_task_kind;
	ThreadCoreEntry tc = THREAD_CORE_ENTRY__INIT;
	CoreEntry core = CORE_ENTRY__INIT;
	struct dump d = { 0 };
	struct thread th = { .tid = h->pid, .regs = h->i->threads[0].regs, .core = &core };
	struct task t = { .dump = &d, .pid = h->pid, .threads = &th, .thread_count = 1 };

	th.task = &t;
	core.thread_core = &tc;
	MUST(rseq_task_kind.read(&t, e));
	h->i->threads[0].regs = th.regs;
	pool_free(&d.pool);
}

static void a_sequence_is_restarted(void)
{
	if (__rseq_size == 0)
		unit_skip("the C library has not registered rseq");
	spins = held_shared(4096);
	aborts = spins + 1;
	int pid = held_start(be_in_section, NULL);
	wait_until(spins, 10);
	struct held *h = held_new(pid);
	for (int round = 0; round < 50; round++) {
		held_stop(h);
		uint64_t was = *aborts;
		look_at_section(h);
		held_inject(h);
		held_unchanged(h);
		assert(*aborts == was);
		held_let_go(h);
		wait_until(aborts, was + 1);
		wait_until(spins, *spins + 10);
	}
}

/* --- signals ------------------------------------------------------------------------------------------ */

enum { SENT = 30000, TICK_NS = 1000000 };

static struct storm {
	volatile uint64_t ready, rounds, queued, twice, usr1, alarms, over, expired, ended;
	uint64_t lived_ns;
	uint8_t seen[SENT];
} * storm;

static void on_queued(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	if (__atomic_fetch_add(&storm->seen[info->si_value.sival_int], 1, __ATOMIC_SEQ_CST))
		storm->twice = 1;
	__atomic_add_fetch(&storm->queued, 1, __ATOMIC_SEQ_CST);
}

static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	__atomic_add_fetch(&storm->expired, 1 + info->si_overrun, __ATOMIC_SEQ_CST);
}

static void on_plain(int sig)
{
	__atomic_add_fetch(sig == SIGUSR1 ? &storm->usr1 : &storm->alarms, 1, __ATOMIC_SEQ_CST);
}

static void *run_on(void *arg)
{
	while (!storm->over)
		storm->rounds++;
	return arg;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static timer_t start_timers(void)
{
	struct itimerval alarms = { { 0, 1000 }, { 0, 1000 } };
	struct itimerspec ticks = { { 0, TICK_NS }, { 0, TICK_NS } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	timer_t timer;

	assert(timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
	assert(setitimer(ITIMER_REAL, &alarms, NULL) == 0);
	assert(timer_settime(timer, 0, &ticks, NULL) == 0);
	return timer;
}

static void be_in_storm(void *arg)
{
	struct sigaction queued = { .sa_sigaction = on_queued,
				    .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction timer = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigaction plain = { .sa_handler = on_plain, .sa_flags = SA_RESTART };
	struct itimerspec off = { 0 };
	uint64_t start;
	pthread_t t;

	sigaction(SIGRTMIN, &queued, NULL);
	sigaction(SIGRTMIN + 1, &timer, NULL);
	sigaction(SIGUSR1, &plain, NULL);
	sigaction(SIGALRM, &plain, NULL);
	for (int i = 0; i < 3; i++)
		assert(pthread_create(&t, NULL, run_on, arg) == 0);
	start = now_ns();
	timer_t id = start_timers();
	storm->ready = 1;
	while (!storm->over)
		usleep(500);
	timer_settime(id, 0, &off, NULL);
	storm->lived_ns = now_ns() - start;
	usleep(10000);
	storm->ended = 1;
	for (;;)
		pause();
}

static void send_all(int pid)
{
	for (int i = 0; i < SENT; i++) {
		while (sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = i }) < 0)
			usleep(100);
		kill(pid, SIGUSR1);
		if (i % 16 == 0)
			usleep(100);
	}
}

static void signals_are_counted(void)
{
	int status = 0, rounds = 0;

	storm = held_shared(sizeof(*storm));
	int pid = held_start(be_in_storm, NULL);
	wait_until(&storm->ready, 1);
	struct held *h = held_new(pid);
	int sender = fork();
	if (sender == 0) {
		send_all(pid);
		_exit(0);
	}
	while (waitpid(sender, &status, WNOHANG) == 0) {
		held_stop(h);
		held_inject(h);
		held_let_go(h);
		usleep(rounds++ % 8 * 500);
	}
	assert(status == 0 && rounds > 3);
	wait_until(&storm->queued, SENT);
	usleep(10000);
	assert(storm->queued == SENT && !storm->twice);
	assert(storm->usr1 > 0 && storm->usr1 <= SENT);
	storm->over = 1;
	wait_until(&storm->ended, 1);
	uint64_t ticks = storm->lived_ns / TICK_NS;
	assert(storm->expired + 2 >= ticks && storm->expired <= ticks + 2);
	assert(storm->alarms > 0 && storm->alarms <= ticks + 12);
}

/* Signals to ourselves, as from a user who is impatient, must not leave the target half-way. */
static void on_mine(int sig)
{
	(void)sig;
}

static void our_own_signals_harm_nobody(void)
{
	struct sigaction sa = { .sa_handler = on_mine };
	struct itimerval often = { { 0, 50 }, { 0, 50 } }, off = { 0 };
	struct busy *b = held_shared(sizeof(*b));

	int pid = held_start(be_filtered, b);
	wait_until(&b->settled, 1);
	struct held *h = held_new(pid);
	char *was = snapshot_take(pid);
	sigaction(SIGALRM, &sa, NULL);
	for (int round = 0; round < 50; round++) {
		held_stop(h);
		setitimer(ITIMER_REAL, &often, NULL);
		held_inject(h);
		setitimer(ITIMER_REAL, &off, NULL);
		held_unchanged(h);
		held_let_go(h);
	}
	wait_until(&b->loops, b->loops + 3);
	snapshot_same(was, snapshot_take(pid));
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(a_filter_sees_nothing),
		UNIT(strict_mode_sees_nothing),
		UNIT(a_sequence_is_restarted),
		UNIT(signals_are_counted),
		UNIT(our_own_signals_harm_nobody),
		{},
	});
}
