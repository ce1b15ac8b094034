/*
 * pidfds: of itself, a parent, a child, a zombie, one that is gone (two of it, and how it ended), a thread; shared with a child,
 * in an epoll.
 */
#include "test/lib/fds.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define GET_INFO _IOWR(0xff, 11, struct info)
#define INFO_EXIT 8

static struct fds before;
static int self, child, zombie, gone, again, killed, of_thread = -1, ep;
static bool tells_exit;
static int hold[2]; /* those that are to be there while the checks run read from it */

static void stay(void)
{
	char c;

	SAME(SYS(read(hold[0], &c, 1)), 1);
}

static int open_pidfd(pid_t pid, unsigned int flags)
{
	int fd = syscall(SYS_pidfd_open, pid, flags);

	if (fd < 0 && errno == ENOSYS)
		victim_skip("this kernel has no pidfds");
	return fd;
}

static long pid_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return (long)victim_proc(path, "Pid:", 10);
}

static bool is_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return SYS(poll(&p, 1, 0)) == 1;
}

static int how(int fd)
{
	struct info info = { .mask = INFO_EXIT };

	return ioctl(fd, GET_INFO, &info) == 0 && info.mask & INFO_EXIT ? info.exit_code : -1;
}

static void check_signal(int fd, int error)
{
	int r = syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0);

	CHECK(error ? r < 0 && errno == error : r == 0, "signal by fd %d: %d %d", fd, r, errno);
}

static ino_t inode(int fd)
{
	struct stat st;

	SYS(fstat(fd, &st));
	return st.st_ino;
}

/* Tells when it has closed what it was set up by. */
static void *thread(void *arg)
{
	victim_set();
	*(volatile bool *)arg = true;
	victim_wait();
	stay();
	return arg;
}

static void make_gone(void)
{
	pid_t pid = SYS(fork());

	if (pid == 0)
		_exit(42);
	gone = open_pidfd(pid, 0);
	again = open_pidfd(pid, O_NONBLOCK);
	SAME(SYS(waitpid(pid, NULL, 0)), pid);
	pid = SYS(fork());
	if (pid == 0) {
		raise(SIGUSR1);
		_exit(1);
	}
	killed = open_pidfd(pid, 0);
	SAME(SYS(waitpid(pid, NULL, 0)), pid);
	tells_exit = how(gone) == 42 << 8;
}

static void check_all(pid_t pid, pid_t dead, pid_t tid)
{
	siginfo_t info;

	SAME(pid_of(self), getpid());
	SAME(pid_of(child), pid);
	SAME(pid_of(zombie), dead);
	CHECK(!is_over(self) && !is_over(child) && is_over(zombie) && is_over(gone) &&
	      is_over(again));
	check_signal(self, 0);
	check_signal(child, 0);
	check_signal(gone, ESRCH);
	check_signal(again, ESRCH);
	CHECK(inode(gone) == inode(again) || !tells_exit);
	CHECK(inode(gone) != inode(killed) || !tells_exit);
	if (tells_exit) {
		SAME(how(gone), 42 << 8);
		SAME(how(again), 42 << 8);
		SAME(how(killed), SIGUSR1);
	}
	SAME(SYS(waitid(P_PIDFD, zombie, &info, WEXITED | WNOWAIT)), 0);
	SAME(info.si_pid, dead);
	SAME(info.si_status, 7);
	CHECK(waitid(P_PIDFD, gone, &info, WEXITED) < 0 && errno == ECHILD);
	if (of_thread >= 0) {
		SAME(pid_of(of_thread), tid);
		CHECK(!is_over(of_thread));
	}
}

static int ends[2];

static void send_one(int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} c = { .head = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec io = { "x", 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &c };

	m.msg_controllen = sizeof(c.room);
	memcpy(CMSG_DATA(&c.head), &fd, sizeof(fd));
	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	SAME(SYS(sendmsg(ends[0], &m, 0)), 1);
}

static int receive_one(void)
{
	char room[CMSG_SPACE(sizeof(int))], byte;
	struct iovec io = { &byte, 1 };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room };
	int fd;

	m.msg_controllen = sizeof(room);
	SAME(SYS(recvmsg(ends[1], &m, 0)), 1);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* On its way when the dump is made, of a process that has to be there for it. */
static void sent(void)
{
	send_one(open_pidfd(getpid(), 0));
	victim_ready();
	victim_ok();
}

static void outside(void)
{
	/* Not one of the tree, and there as long as it is needed. */
	open_pidfd(getppid(), 0);
	victim_ready();
	victim_ok();
}

int main(int argc, char **argv)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 5 };
	static volatile bool set_up;
	pid_t pid, dead, tid;

	if (argc > 1 && strcmp(argv[1], "sent") == 0)
		sent();
	if (argc > 1)
		outside();
	SYS(pipe(hold));
	self = open_pidfd(getpid(), 0);
	make_gone();
	pid = victim_fork();
	if (pid == 0) {
		int parent = open_pidfd(getppid(), 0);

		victim_set();
		victim_wait();
		SAME(pid_of(parent), getppid());
		SAME(pid_of(self), getppid());
		stay();
		_exit(0);
	}
	child = open_pidfd(pid, O_NONBLOCK);
	dead = SYS(fork());
	if (dead == 0)
		_exit(7);
	zombie = open_pidfd(dead, 0);
	tid = victim_thread(thread, (void *)&set_up);
	while (!set_up)
		victim_sleep_ms(1);
	of_thread = open_pidfd(tid, O_EXCL);
	if (of_thread >= 0)
		SYS(dup2(of_thread, 90));
	send_one(killed);
	ep = SYS(epoll_create1(0));
	SYS(epoll_ctl(ep, EPOLL_CTL_ADD, child, &e));
	while (!is_over(zombie))
		victim_sleep_ms(1);
	fds_note(&before);
	check_all(pid, dead, tid);
	victim_ready();
	fds_check(&before);
	check_all(pid, dead, tid);
	CHECK(fds_same(receive_one(), killed));
	SAME(write(hold[1], "12", 2), 2);
	victim_reap(pid);
	CHECK(is_over(child));
	SAME(SYS(epoll_wait(ep, &e, 1, 1000)), 1);
	SAME(e.data.u64, 5);
	victim_join();
	CHECK(of_thread < 0 || is_over(of_thread));
	victim_ok();
}
