/*
 * The runner goes into a process that lives, is used in all its threads, and is taken out: nothing of that may be
 * seen afterwards, neither from outside nor by the process.
 */
#include "test/lib/held.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "test/lib/spin.h"
#include "test/lib/unit.h"

enum { SPINNERS = 3 };

static void *spin(void *s)
{
	spin_run(s);
	return NULL;
}

struct rich {
	struct spin spin[SPINNERS];
	int threads, ready;
};

static void *doze(void *arg)
{
	struct rich *v = arg;

	__atomic_add_fetch(&v->ready, 1, __ATOMIC_SEQ_CST);
	while (v->ready)
		usleep(2000);
	return NULL;
}

static void thread(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	assert(pthread_create(&t, &attr, fn, arg) == 0);
	pthread_attr_destroy(&attr);
}

static void wait_until(volatile int *flag, int value)
{
	for (int ms = 0; *flag < value; ms++) {
		assert(ms < 20000);
		usleep(1000);
	}
}

/* --- nothing can be seen ------------------------------------------------------------------------ */

static void handler(int sig)
{
	(void)sig;
}

/* A process with something of everything that has to be the same afterwards; the leader spins. */
static void be_rich(void *arg)
{
	struct rich *v = arg;
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigset_t some;
	int ends[2];

	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &some, NULL);
	assert(pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], "unread", 6) == 6);
	assert(open("/proc/self/exe", O_RDONLY) >= 0);
	for (int i = 1; i < SPINNERS; i++)
		thread(spin, &v->spin[i]);
	for (int i = SPINNERS; i < v->threads; i++)
		thread(doze, v);
	raise(SIGUSR2);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGRTMIN + 3);
	__atomic_add_fetch(&v->ready, 1, __ATOMIC_SEQ_CST);
	spin_run(&v->spin[0]);
	for (;;)
		pause();
}

static void spinners_move_on(struct rich *v);

static int start_rich(struct rich *v, int threads)
{
	int pid;

	v->threads = threads;
	for (int i = 0; i < SPINNERS; i++)
		spin_init(&v->spin[i], i + 1);
	pid = held_start(be_rich, v);
	wait_until(&v->ready, threads - SPINNERS + 1);
	spinners_move_on(v);
	return pid;
}

static void spinners_move_on(struct rich *v)
{
	for (int i = 0; i < SPINNERS; i++) {
		uint64_t loops = v->spin[i].loops;

		while (*(volatile uint64_t *)&v->spin[i].loops == loops && !v->spin[i].broken)
			usleep(1000);
		assert(!v->spin[i].broken);
	}
}

static void inject_rounds(int threads, int rounds)
{
	struct rich *v = held_shared(sizeof(*v));
	char *was, *is, *held_was, *held_is;

	int pid = start_rich(v, threads);
	struct held *h = held_new(pid);
	was = snapshot_take(pid);
	for (int round = 0; round < rounds; round++) {
		held_stop(h);
		assert((int)h->i->thread_count == threads);
		held_was = snapshot_take(pid);
		held_inject(h);
		held_unchanged(h);
		held_is = snapshot_take(pid);
		snapshot_same(held_was, held_is);
		held_let_go(h);
		spinners_move_on(v);
		free(held_was);
		free(held_is);
	}
	is = snapshot_take(pid);
	snapshot_same(was, is);
}

static void nothing_is_left(void)
{
	inject_rounds(6, 20);
}

static void five_hundred_threads(void)
{
	inject_rounds(500, 2);
}

/* --- threads in system calls ---------------------------------------------------------------------- */

struct calls {
	int ready, done, epoll_eintr;
	int futex, sleep_status, futex_status, poll_status, read_status, suspend_status,
		epoll_status;
	int64_t slept_us;
	int poll_pipe[2], read_pipe[2], epoll_pipe[2];
	int suspend_tid;
	volatile int usr1, usr2;
};
static struct calls *c;

static void on_usr(int sig)
{
	++*(sig == SIGUSR1 ? &c->usr1 : &c->usr2);
}

static void report(int *where, int value)
{
	*where = value;
	__atomic_add_fetch(&c->done, 1, __ATOMIC_SEQ_CST);
}

static void *in_nanosleep(void *arg)
{
	struct timespec t = { .tv_nsec = 700000000 }, left = { 0 };
	uint64_t start = io_now_us();
	int r = nanosleep(&t, &left);

	c->slept_us = io_now_us() - start;
	report(&c->sleep_status, r == 0 ? 1 : -errno);
	return arg;
}

static void *in_futex(void *arg)
{
	long r = syscall(SYS_futex, &c->futex, FUTEX_WAIT, 0, NULL, NULL, 0);

	report(&c->futex_status, r == 0 ? 1 : -errno);
	return arg;
}

static void *in_poll(void *arg)
{
	struct pollfd p = { .fd = c->poll_pipe[0], .events = POLLIN };
	int r = poll(&p, 1, 60000);

	report(&c->poll_status, r == 1 && p.revents == POLLIN ? 1 : -errno);
	return arg;
}

static void *in_read(void *arg)
{
	char buf[8] = "";
	int r = read(c->read_pipe[0], buf, sizeof(buf));

	report(&c->read_status, r == 5 && memcmp(buf, "hello", 5) == 0 ? 1 : -errno);
	return arg;
}

/* SIGUSR2 stays blocked in there, SIGUSR1 does not; outside it is the other way round. */
static void *in_sigsuspend(void *arg)
{
	sigset_t outside, inside, now;

	sigemptyset(&outside);
	sigaddset(&outside, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &outside, NULL);
	sigfillset(&inside);
	sigdelset(&inside, SIGUSR1);
	c->suspend_tid = syscall(SYS_gettid);
	int r = sigsuspend(&inside);
	bool right = r < 0 && errno == EINTR && c->usr1 == 1;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	right = right && sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2);
	report(&c->suspend_status, right ? 1 : -1);
	return arg;
}

/* The kernel lets a stop interrupt epoll_pwait (signal(7)); the mask has to be right in any case. */
static void *in_epoll(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t all, now;
	int fd = epoll_create1(EPOLL_CLOEXEC), r;

	assert(epoll_ctl(fd, EPOLL_CTL_ADD, c->epoll_pipe[0], &ev) == 0);
	sigfillset(&all);
	while ((r = epoll_pwait(fd, &ev, 1, 60000, &all)) < 0 && errno == EINTR)
		c->epoll_eintr++;
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	report(&c->epoll_status, r == 1 && !sigismember(&now, SIGUSR2) ? 1 : -1);
	return arg;
}

static void be_in_calls(void *arg)
{
	void *(*const fn[])(void *) = { in_nanosleep, in_futex,	     in_poll,
					in_read,      in_sigsuspend, in_epoll };
	struct sigaction sa = { .sa_handler = on_usr };

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (size_t i = 0; i < sizeof(fn) / sizeof(fn[0]); i++)
		thread(fn[i], NULL);
	c->ready = 1;
	while (1)
		pause();
	(void)arg;
}

static void calls_carry_on(void)
{
	c = held_shared(sizeof(*c));
	assert(pipe(c->poll_pipe) == 0 && pipe(c->read_pipe) == 0 && pipe(c->epoll_pipe) == 0);
	int pid = held_start(be_in_calls, NULL);
	wait_until(&c->ready, 1);
	usleep(30000);
	struct held *h = held_new(pid);
	for (int round = 0; round < 30; round++) {
		held_stop(h);
		held_inject(h);
		held_unchanged(h);
		held_let_go(h);
	}
	/* Not before: any stop of a thread in sigsuspend shows it to signals that it blocks in there. */
	usleep(20000);
	assert(syscall(SYS_tgkill, pid, c->suspend_tid, SIGUSR2) == 0);
	usleep(20000);
	assert(c->usr2 == 0 && c->usr1 == 0 && c->done <= 1);
	assert(syscall(SYS_tgkill, pid, c->suspend_tid, SIGUSR1) == 0);
	assert(write(c->poll_pipe[1], "x", 1) == 1 && write(c->read_pipe[1], "hello", 5) == 5 &&
	       write(c->epoll_pipe[1], "x", 1) == 1);
	c->futex = 1;
	syscall(SYS_futex, &c->futex, FUTEX_WAKE, 1, NULL, NULL, 0);
	wait_until(&c->done, 6);
	assert(c->sleep_status == 1 && c->slept_us >= 700000 && c->slept_us < 1500000);
	assert(c->futex_status == 1 && c->poll_status == 1 && c->read_status == 1);
	assert(c->suspend_status == 1 && c->epoll_status == 1);
	assert(c->usr1 == 1 && c->usr2 == 1);
}

/* --- stopped, and under filters --------------------------------------------------------------------- */

static bool state_is(int pid, char state)
{
	char path[64], text[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	assert(f && fgets(text, sizeof(text), f));
	fclose(f);
	return strrchr(text, ')')[2] == state;
}

static void the_stopped_stay_stopped(void)
{
	struct rich *v = held_shared(sizeof(*v));
	int status;

	int pid = start_rich(v, 8);
	struct held *h = held_new(pid);
	kill(pid, SIGSTOP);
	assert(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	for (int round = 0; round < 20; round++) {
		uint64_t loops;

		held_stop(h);
		held_inject(h);
		held_unchanged(h);
		held_let_go(h);
		for (int i = 0; i < 100 && !state_is(pid, 'T'); i++)
			usleep(1000);
		assert(state_is(pid, 'T'));
		loops = v->spin[1].loops;
		usleep(2000);
		assert(v->spin[1].loops == loops);
	}
	kill(pid, SIGCONT);
	spinners_move_on(v);
}

/* A stop from outside that comes while the runner is at work is neither lost nor in its way. */
static void a_stop_comes_meanwhile(void)
{
	struct rich *v = held_shared(sizeof(*v));
	uint64_t longest = 0;

	int pid = start_rich(v, 8);
	struct held *h = held_new(pid);
	for (int round = 0; round < 40; round++) {
		uint64_t start = io_now_us();

		held_stop(h);
		int killer = fork();
		if (killer == 0) {
			usleep(round * 20);
			kill(pid, SIGSTOP);
			_exit(0);
		}
		held_inject(h);
		held_unchanged(h);
		held_let_go(h);
		assert(waitpid(killer, NULL, 0) == killer);
		for (int i = 0; i < 1000 && !state_is(pid, 'T'); i++)
			usleep(1000);
		assert(state_is(pid, 'T'));
		kill(pid, SIGCONT);
		spinners_move_on(v);
		if (io_now_us() - start > longest)
			longest = io_now_us() - start;
	}
	assert(longest < 5000000);
}

/* The target is killed while the runner is at work: that is an error, and soon. */
static void killed_meanwhile(void)
{
	for (int round = 0; round < 30; round++) {
		struct rich *v = held_shared(sizeof(*v));
		struct err e = { 0 };

		int pid = start_rich(v, 8);
		struct held *h = held_new(pid);
		held_stop(h);
		int killer = fork();
		if (killer == 0) {
			usleep(round * 30);
			kill(pid, SIGKILL);
			_exit(0);
		}
		uint64_t start = io_now_us();
		while (inject_open(&h->i, 1, &e) == 0 && inject_close(&h->i, 1, &e) == 0)
			;
		assert(e.code && io_now_us() - start < 5000000);
		if (h->i->live && inject_close(&h->i, 1, &e) == 0)
			fprintf(stderr, "# closed after all\n");
		held_let_go(h);
		waitpid(killer, NULL, 0);
	}
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(nothing_is_left),
		UNIT(five_hundred_threads),
		UNIT(calls_carry_on),
		UNIT(the_stopped_stay_stopped),
		UNIT(a_stop_comes_meanwhile),
		UNIT(killed_meanwhile),
		{},
	});
}
