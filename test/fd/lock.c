/* POSIX, flock and open file description locks, and leases: seen from a process that has none. */
#include "test/lib/fds.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int posix, whole, exclusive, ofd, lease, read_lease;

static int create(const char *name)
{
	return SYS(open(fds_path(name), O_CREAT | O_RDWR, 0640));
}

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len
	};
}

static void set(int fd, int command, struct flock l)
{
	SYS(fcntl(fd, command, &l));
}

/* What alone stands in the way of a lock of the bytes from..to (to the end of all, where to is 0). */
static void held(int fd, int command, off_t from, off_t to, struct flock expected)
{
	struct flock l = range(F_WRLCK, from, to ? to - from : 0);

	SYS(fcntl(fd, command, &l));
	SAME(l.l_type, expected.l_type);
	SAME(l.l_start, expected.l_start);
	SAME(l.l_len, expected.l_len);
	SAME(l.l_pid, expected.l_pid);
}

static struct flock held_by(pid_t pid, short type, off_t start, off_t len)
{
	struct flock l = range(type, start, len);

	l.l_pid = pid;
	return l;
}

static void set_up(void)
{
	posix = create("posix");
	set(posix, F_SETLK, range(F_WRLCK, 10, 5));
	set(posix, F_SETLK, range(F_RDLCK, 100, 0));
	set(posix, F_SETLK, range(F_RDLCK, 20, 1));
	SYS(dup2(posix, 40));
	whole = create("shared");
	SYS(flock(whole, LOCK_SH));
	exclusive = create("exclusive");
	SYS(flock(exclusive, LOCK_EX));
	ofd = create("ofd");
	set(ofd, F_OFD_SETLK, range(F_WRLCK, 0, 8));
	lease = SYS(open(fds_path("lease"), O_CREAT | O_RDWR | O_CLOEXEC, 0640));
	SYS(fcntl(lease, F_SETLEASE, F_WRLCK));
	SYS(close(create("read lease")));
	read_lease = SYS(open(fds_path("read lease"), O_RDONLY | O_CLOEXEC));
	SYS(fcntl(read_lease, F_SETLEASE, F_RDLCK));
}

/* The child has a lock of its own, or is 0. */
static void look_from_outside(pid_t child)
{
	int fd = SYS(open(fds_path("posix"), O_RDWR));

	/* Where locks of two owners stand in the way, the kernel names whichever it finds first: so, one at a time. */
	held(fd, F_GETLK, 0, 19, held_by(getppid(), F_WRLCK, 10, 5));
	held(fd, F_GETLK, 15, 50, held_by(getppid(), F_RDLCK, 20, 1));
	if (child)
		held(fd, F_GETLK, 21, 100, held_by(child, F_WRLCK, 50, 1));
	held(fd, F_GETLK, 51, 0, held_by(getppid(), F_RDLCK, 100, 0));
	fd = SYS(open(fds_path("shared"), O_RDWR));
	SYS(flock(fd, LOCK_SH | LOCK_NB));
	SAME(flock(fd, LOCK_EX | LOCK_NB), -1);
	fd = SYS(open(fds_path("exclusive"), O_RDWR));
	SAME(flock(fd, LOCK_SH | LOCK_NB), -1);
	fd = SYS(open(fds_path("ofd"), O_RDWR));
	held(fd, F_OFD_GETLK, 0, 0, held_by(-1, F_WRLCK, 0, 8));
	SAME(open(fds_path("lease"), O_RDONLY | O_NONBLOCK), -1);
	SAME(errno, EWOULDBLOCK);
	SAME(open(fds_path("read lease"), O_WRONLY | O_NONBLOCK), -1);
	_exit(0);
}

/* With an argument the child has no lock of its own. */
int main(int argc, char **argv)
{
	pid_t child, pid;

	(void)argv;
	signal(SIGIO, SIG_IGN); /* a lease that is asked for */
	set_up();
	/* It has the same descriptions, and so the flocks, but none of the POSIX locks. */
	child = victim_fork();
	if (child == 0) {
		SYS(close(lease));
		SYS(close(read_lease));
		if (argc == 1)
			set(posix, F_SETLK, range(F_WRLCK, 50, 1));
		victim_set();
		victim_wait();
		for (;;)
			pause(); /* its lock is looked for, too */
	}
	victim_ready();
	SAME(fcntl(lease, F_GETLEASE), F_WRLCK);
	SAME(fcntl(read_lease, F_GETLEASE), F_RDLCK);
	pid = SYS(fork());
	if (pid == 0)
		look_from_outside(argc == 1 ? child : 0);
	victim_reap(pid);
	SYS(kill(child, SIGKILL));
	SYS(waitpid(child, NULL, 0));
	SYS(flock(whole, LOCK_UN));
	victim_ok();
}
