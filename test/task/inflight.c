/*
 * A thread asleep in a system call until something happens. After the restore it happens, once: the
 * call must give what its manual page promises, as if it had never been interrupted.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static int ends[2], id, fd;
static pid_t sleeper, child;
static volatile int handled;
static const char *dir;

static void make_pipe(void)
{
	SYS(pipe(ends));
}

static void wake_pipe(void)
{
	SYS(write(ends[1], "hello", 5));
}

static void call_read(void)
{
	char buf[10] = "";

	SAME(SYS(read(ends[0], buf, sizeof(buf))), 5);
	CHECK(strcmp(buf, "hello") == 0, "it read '%s'", buf);
}

/* Numbers into a pipe that is nearly full: none may be lost and none written twice. */
enum { BEFORE = 15000, NUMBERS = 40000 };

static void make_full(void)
{
	SYS(pipe(ends));
	for (int i = 0; i < BEFORE; i++)
		SYS(write(ends[1], &i, sizeof(i)));
}

static void call_write(void)
{
	static int numbers[NUMBERS - BEFORE];
	char *from = (char *)numbers, *end = from + sizeof(numbers);

	for (int i = 0; i < NUMBERS - BEFORE; i++)
		numbers[i] = BEFORE + i;
	/* A write that has begun ends short when it is interrupted. */
	while (from < end)
		from += SYS(write(ends[1], from, end - from));
}

static void wake_full(void)
{
	for (int i = 0, got; i < NUMBERS; i++) {
		for (size_t n = 0; n < sizeof(got);)
			n += SYS(read(ends[0], (char *)&got + n, sizeof(got) - n));
		SAME(got, i);
	}
}

static int word;

static void call_futex(void)
{
	SAME(SYS(syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL)), 0);
}

static void wake_futex(void)
{
	SAME(SYS(syscall(SYS_futex, &word, FUTEX_WAKE, 1)), 1);
}

static void call_poll(void)
{
	struct pollfd poll_fd = { .fd = ends[0], .events = POLLIN };

	SAME(SYS(poll(&poll_fd, 1, -1)), 1);
	SAME(poll_fd.revents, POLLIN);
}

static void call_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	SAME(SYS(syscall(SYS_select, ends[0] + 1, &set, NULL, NULL, NULL)), 1);
	CHECK(FD_ISSET(ends[0], &set));
}

static void make_epoll(void)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1234567890 };

	make_pipe();
	fd = SYS(epoll_create1(0));
	SYS(epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event));
}

static void call_epoll(void)
{
	struct epoll_event event;

	SAME(SYS(epoll_wait(fd, &event, 1, -1)), 1);
	SAME(event.data.u64, 0x1234567890);
}

static void call_epoll_pwait2(void)
{
	struct epoll_event event;

	SAME(SYS(syscall(SYS_epoll_pwait2, fd, &event, 1, NULL, NULL, 8)), 1);
	SAME(event.data.u64, 0x1234567890);
}

static aio_context_t ring;

static void make_ring(void)
{
	make_pipe();
	SYS(syscall(SYS_io_setup, 2, &ring));
}

static void call_io_getevents(void)
{
	struct io_event event;

	SAME(SYS(syscall(SYS_io_getevents, ring, 1, 1, &event, NULL)), 1);
	SAME(event.data, 77);
}

static void wake_ring(void)
{
	struct iocb cb = {
		.aio_data = 77,
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_fildes = ends[1],
		.aio_buf = (uintptr_t) "hello",
		.aio_nbytes = 5,
	};
	struct iocb *list = &cb;

	SAME(SYS(syscall(SYS_io_submit, ring, 1, &list)), 1);
}

/* --- calls that a signal ends ---------------------------------------------------------------- */

static void handler(int sig)
{
	handled += sig == SIGUSR1;
}

static sigset_t usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return set;
}

static void make_handler(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigset_t set = usr1();

	make_pipe();
	SYS(sigaction(SIGUSR1, &action, NULL));
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void wake_signal(void)
{
	SYS(syscall(SYS_tgkill, getpid(), sleeper, SIGUSR1));
}

/* The handler has run, and the mask is again what it was before the call. */
static void expect_signal(long r)
{
	sigset_t now;

	CHECK(r == -1 && errno == EINTR, "it gave %ld, %s", r, strerror(errno));
	SAME(handled, 1);
	SYS(sigprocmask(SIG_BLOCK, NULL, &now));
	CHECK(sigismember(&now, SIGUSR1));
}

static void call_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	expect_signal(sigsuspend(&none));
}

static void call_ppoll(void)
{
	struct pollfd poll_fd = { .fd = ends[0], .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	expect_signal(ppoll(&poll_fd, 1, NULL, &none));
}

static void call_pselect(void)
{
	sigset_t none;
	fd_set set;

	sigemptyset(&none);
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	expect_signal(pselect(ends[0] + 1, &set, NULL, NULL, NULL, &none));
}

static void call_epoll_pwait(void)
{
	struct epoll_event event;
	sigset_t none;

	sigemptyset(&none);
	expect_signal(epoll_pwait(fd, &event, 1, -1, &none));
}

static void make_epoll_handler(void)
{
	make_handler();
	make_epoll();
}

static void call_pause(void)
{
	sigset_t set = usr1();

	SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
	CHECK(pause() < 0 && errno == EINTR);
	SAME(handled, 1);
}

static void call_sigtimedwait(void)
{
	sigset_t set = usr1();
	siginfo_t info;

	SAME(SYS(sigwaitinfo(&set, &info)), SIGUSR1);
	SAME(info.si_pid, getpid());
	SAME(handled, 0);
}

/* --- children, System V, locks, FIFOs -------------------------------------------------------- */

static void make_child(void)
{
	child = victim_fork();
	if (child == 0) {
		victim_set();
		victim_wait();
		victim_sleep_ms(100);
		_exit(77);
	}
}

static void call_wait4(void)
{
	int status;

	SAME(SYS(wait4(child, &status, 0, NULL)), child);
	SAME(WEXITSTATUS(status), 77);
}

static void call_waitid(void)
{
	siginfo_t info;

	SAME(SYS(waitid(P_PID, child, &info, WEXITED)), 0);
	SAME(info.si_status, 77);
	SAME(info.si_pid, child);
}

static void make_sem(void)
{
	id = SYS(semget(IPC_PRIVATE, 1, 0600));
}

static void call_semop(void)
{
	struct sembuf down = { 0, -1, 0 };

	SAME(SYS(semtimedop(id, &down, 1, NULL)), 0);
	SAME(SYS(semctl(id, 0, GETVAL)), 0);
	SYS(semctl(id, 0, IPC_RMID));
}

static void call_plain_semop(void)
{
	struct sembuf down = { 0, -1, 0 };

	SAME(SYS(syscall(SYS_semop, id, &down, 1)), 0);
	SAME(SYS(semctl(id, 0, GETVAL)), 0);
	SYS(semctl(id, 0, IPC_RMID));
}

static void wake_sem(void)
{
	struct sembuf up = { 0, 1, 0 };

	SYS(semop(id, &up, 1));
}

struct message {
	long type;
	char text[5];
};

static void make_queue(void)
{
	id = SYS(msgget(IPC_PRIVATE, 0600));
}

static void call_msgrcv(void)
{
	struct message m;

	SAME(SYS(msgrcv(id, &m, sizeof(m.text), 7, 0)), 5);
	CHECK(memcmp(m.text, "hello", 5) == 0);
	SAME(m.type, 7);
	SYS(msgctl(id, IPC_RMID, NULL));
}

static void wake_queue(void)
{
	struct message m = { 7, "hello" };

	SYS(msgsnd(id, &m, sizeof(m.text), 0));
}

/* A child holds the lock, and lets it go by ending. */
static void make_locked(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = SYS(open(path, O_RDWR | O_CREAT, 0600));
	child = victim_fork();
	if (child == 0) {
		struct flock lock = { .l_type = F_WRLCK };
		int own = SYS(open(path, O_RDWR));

		SYS(flock(own, LOCK_EX));
		SYS(fcntl(own, F_SETLK, &lock));
		victim_set();
		victim_wait();
		victim_sleep_ms(100);
		_exit(0);
	}
}

static void call_flock(void)
{
	SAME(SYS(flock(fd, LOCK_EX)), 0);
	victim_reap(child);
}

static void call_setlkw(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	SAME(SYS(fcntl(fd, F_SETLKW, &lock)), 0);
	victim_reap(child);
}

static char fifo[512];

static void make_fifo(void)
{
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	SYS(mkfifo(fifo, 0600));
}

static void call_open(void)
{
	SYS(open(fifo, O_RDONLY));
}

static void wake_open(void)
{
	SYS(open(fifo, O_WRONLY));
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	long nr;
	void (*make)(void), (*call)(void), (*wake)(void);
} calls[] = {
	{ "read", SYS_read, make_pipe, call_read, wake_pipe },
	{ "write", SYS_write, make_full, call_write, wake_full },
	{ "futex", SYS_futex, nothing, call_futex, wake_futex },
	{ "poll", SYS_poll, make_pipe, call_poll, wake_pipe },
	{ "ppoll", SYS_ppoll, make_handler, call_ppoll, wake_signal },
	{ "select", SYS_select, make_pipe, call_select, wake_pipe },
	{ "pselect", SYS_pselect6, make_handler, call_pselect, wake_signal },
	{ "epoll_wait", SYS_epoll_wait, make_epoll, call_epoll, wake_pipe },
	{ "epoll_pwait2", SYS_epoll_pwait2, make_epoll, call_epoll_pwait2, wake_pipe },
	{ "io_getevents", SYS_io_getevents, make_ring, call_io_getevents, wake_ring },
	{ "epoll_pwait", SYS_epoll_pwait, make_epoll_handler, call_epoll_pwait, wake_signal },
	{ "sigsuspend", SYS_rt_sigsuspend, make_handler, call_sigsuspend, wake_signal },
	{ "sigtimedwait", SYS_rt_sigtimedwait, make_handler, call_sigtimedwait, wake_signal },
	{ "pause", SYS_pause, make_handler, call_pause, wake_signal },
	{ "wait4", SYS_wait4, make_child, call_wait4, nothing },
	{ "waitid", SYS_waitid, make_child, call_waitid, nothing },
	{ "semtimedop", SYS_semtimedop, make_sem, call_semop, wake_sem },
	{ "semop", SYS_semop, make_sem, call_plain_semop, wake_sem },
	{ "msgrcv", SYS_msgrcv, make_queue, call_msgrcv, wake_queue },
	{ "flock", SYS_flock, make_locked, call_flock, nothing },
	{ "fcntl", SYS_fcntl, make_locked, call_setlkw, nothing },
	{ "open", SYS_openat, make_fifo, call_open, wake_open },
};

static void *thread(void *arg)
{
	victim_set();
	((void (*)(void))arg)();
	return NULL;
}

int main(int argc, char **argv)
{
	dir = argc > 2 ? argv[2] : "";
	for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, argv[1]) != 0)
			continue;
		calls[i].make();
		sleeper = victim_thread(thread, calls[i].call);
		victim_blocked(sleeper, calls[i].nr);
		victim_ready();
		/* It must go back to sleep by itself, if it was woken at all. */
		victim_sleep_ms(50);
		calls[i].wake();
		victim_join();
		victim_ok();
	}
	victim_fail(__FILE__, __LINE__, "argv", " no such call");
}
