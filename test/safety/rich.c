/*
 * A small tree with something of everything that a dump that fails could spoil: threads that hold known values in all
 * registers, two processes that pass numbers to and fro, data in pipes, a file without a name, timers, waiting
 * signals, shared and private memory, a zombie and a stopped child.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/spin.h"
#include "test/lib/victim.h"

enum {
	SPINNERS = 1,
	UNREAD = 50000,
	MEMORY = 256 << 10,
	EXIT_CODE = 7,
	QUEUED = 3,
	PATIENCE = 20000
};

static struct shared {
	struct spin spin[SPINNERS];
	volatile uint64_t over, balls, wrong;
	uint8_t pattern[MEMORY];
} * shared;

static uint8_t private[MEMORY];
static int unread[2], nameless;
static timer_t timer;
static pid_t player, stopped, zombie;

static uint8_t pattern(size_t i, unsigned int seed)
{
	return (i * 2654435761U + seed) >> 13;
}

static void *spin(void *s)
{
	/* There may be one processor only, and others that want it. */
	SYS(setpriority(PRIO_PROCESS, SYS(syscall(SYS_gettid)), 19));
	victim_set();
	spin_run(s);
	return NULL;
}

/* Until it is over or the other side has gone; one number lost or doubled is noticed. */
static void play(int in, int out, uint64_t expected)
{
	uint64_t ball;

	for (; read(in, &ball, sizeof(ball)) == sizeof(ball); expected += 2) {
		if (ball != expected)
			shared->wrong = 1;
		shared->balls++;
		if (shared->over)
			return;
		victim_sleep_ms(1);
		ball++;
		SYS(write(out, &ball, sizeof(ball)));
	}
}

static int there[2], back[2];

static void *our_side(void *arg)
{
	uint64_t first = 1000;

	victim_set();
	SYS(write(there[1], &first, sizeof(first)));
	play(back[0], there[1], first + 1);
	SYS(close(there[1]));
	return arg;
}

static void start_players(void)
{
	SYS(pipe2(there, O_CLOEXEC));
	SYS(pipe2(back, O_CLOEXEC));
	player = victim_fork();
	if (player == 0) {
		SYS(close(there[1]));
		SYS(close(back[0]));
		victim_set();
		play(there[0], back[1], 1000);
		_exit(shared->wrong);
	}
	SYS(close(there[0]));
	SYS(close(back[1]));
	victim_thread(our_side, NULL);
}

static void start_children(void)
{
	int status;

	zombie = SYS(fork());
	if (zombie == 0)
		_exit(EXIT_CODE);
	stopped = SYS(fork());
	if (stopped == 0) {
		while (!shared->over)
			victim_sleep_ms(5);
		_exit(0);
	}
	SYS(kill(stopped, SIGSTOP));
	SYS(waitpid(stopped, &status, WUNTRACED));
	while (waitid(P_PID, zombie, NULL, WEXITED | WNOWAIT) < 0)
		;
}

static void fill(void)
{
	uint8_t buf[UNREAD];

	for (size_t i = 0; i < MEMORY; i++) {
		private[i] = pattern(i, 1);
		shared->pattern[i] = pattern(i, 2);
	}
	for (size_t i = 0; i < UNREAD; i++)
		buf[i] = pattern(i, 3);
	SYS(pipe2(unread, O_CLOEXEC));
	SYS(write(unread[1], buf, UNREAD));
	nameless = SYS(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	SYS(write(nameless, buf, 1000));
	SYS(lseek(nameless, 333, SEEK_SET));
}

static void start_timers(void)
{
	struct itimerval late = { { 0, 0 }, { 3600, 0 } };
	struct itimerspec later = { { 0, 0 }, { 7200, 0 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5 };

	SYS(setitimer(ITIMER_REAL, &late, NULL));
	SYS(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	SYS(timer_settime(timer, 0, &later, NULL));
}

static void block_and_send(void)
{
	sigset_t some;

	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGRTMIN + 3);
	SYS(sigprocmask(SIG_BLOCK, &some, NULL));
	SYS(raise(SIGUSR2));
	for (int i = 0; i < QUEUED; i++)
		SYS(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i }));
}

static void check_data(void)
{
	uint8_t buf[UNREAD];

	for (size_t i = 0; i < MEMORY; i++) {
		SAME(private[i], pattern(i, 1));
		SAME(shared->pattern[i], pattern(i, 2));
	}
	SAME(SYS(read(unread[0], buf, UNREAD)), UNREAD);
	for (size_t i = 0; i < UNREAD; i++)
		SAME(buf[i], pattern(i, 3));
	SAME(SYS(lseek(nameless, 0, SEEK_CUR)), 333);
	SAME(SYS(pread(nameless, buf, sizeof(buf), 0)), 1000);
	for (size_t i = 0; i < 1000; i++)
		SAME(buf[i], pattern(i, 3));
}

static void check_signals(void)
{
	struct timespec none = { 0 };
	struct itimerspec left;
	struct itimerval alarm;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	for (int i = 0; i < QUEUED; i++) {
		SAME(SYS(sigtimedwait(&set, &info, &none)), SIGRTMIN + 3);
		SAME(info.si_value.sival_int, i);
	}
	CHECK(sigtimedwait(&set, &info, &none) < 0 && errno == EAGAIN);
	sigaddset(&set, SIGUSR2);
	SAME(SYS(sigtimedwait(&set, &info, &none)), SIGUSR2);
	SYS(getitimer(ITIMER_REAL, &alarm));
	CHECK(alarm.it_value.tv_sec > 3000);
	SYS(timer_gettime(timer, &left));
	CHECK(left.it_value.tv_sec > 6600 && left.it_interval.tv_sec == 0);
}

/* The machine may be so busy that a thread does not run for a while. */
static bool moves(const volatile uint64_t *count)
{
	uint64_t was = *count;

	for (int ms = 0; ms < PATIENCE && *count == was; ms += 10)
		victim_sleep_ms(10);
	return *count != was;
}

static void check_moving(void)
{
	CHECK(moves(&shared->balls), "nobody plays any more");
	for (int i = 0; i < SPINNERS; i++) {
		CHECK(moves(&shared->spin[i].loops), "thread %d stands still", i);
		CHECK(!shared->spin[i].broken, "a register has changed");
		shared->spin[i].stop = 1;
	}
	CHECK(!shared->wrong, "a number was lost or doubled");
}

static void check_children(void)
{
	siginfo_t info = { 0 };
	int status;

	SAME(SYS(waitpid(zombie, &status, 0)), zombie);
	SAME(status, EXIT_CODE << 8);
	SYS(waitid(P_PID, stopped, &info, WEXITED | WCONTINUED | WNOHANG));
	SAME(info.si_pid, 0);
	shared->over = 1;
	victim_sleep_ms(20);
	SAME(waitpid(stopped, &status, WNOHANG), 0);
	SYS(kill(stopped, SIGCONT));
	victim_reap(stopped);
	victim_reap(player);
}

int main(void)
{
	shared = victim_shared(sizeof(*shared));
	fill();
	start_children();
	block_and_send();
	start_players();
	for (int i = 0; i < SPINNERS; i++) {
		spin_init(&shared->spin[i], i + 1);
		victim_thread(spin, &shared->spin[i]);
	}
	start_timers();
	victim_ready();
	check_moving();
	check_data();
	check_signals();
	check_children();
	victim_join();
	victim_ok();
}
