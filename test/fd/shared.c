/* Tables of descriptors, and current directories, that processes share (CLONE_FILES, CLONE_FS) or only inherit. */
#include "test/lib/fds.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

static struct fds before;
static volatile int *step; /* shared: which of them is to act */

/* A fork that shares; not through victim_fork, which closes in both what is one table here. */
static pid_t fork_sharing(uint64_t flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };

	return SYS(syscall(SYS_clone3, &args, sizeof(args)));
}

static void until(int wanted)
{
	while (*step < wanted)
		victim_sleep_ms(1);
}

static void same(int type, pid_t other, bool wanted)
{
	SAME(SYS(syscall(SYS_kcmp, getpid(), other, type, 0, 0)) == 0, wanted);
}

/* The grandchild shares with the child and so with us; the copy has a table of its own. */
static void child(int fd)
{
	pid_t grandchild = fork_sharing(CLONE_FILES), copy;

	if (grandchild == 0) {
		until(3);
		SYS(close(fd));
		SYS(dup2(0, 50));
		*step = 4;
		_exit(0);
	}
	copy = SYS(fork());
	if (copy == 0) {
		until(5);
		SAME(fcntl(fd, F_GETFD), 0);
		SAME(fcntl(50, F_GETFD), -1);
		_exit(0);
	}
	*step = 1;
	until(2);
	same(KCMP_FILES, getppid(), true);
	same(KCMP_FILES, grandchild, true);
	same(KCMP_FILES, copy, false);
	same(KCMP_FS, getppid(), true);
	same(KCMP_FS, grandchild, false);
	SYS(chdir("/usr"));
	umask(0123);
	*step = 3;
	victim_reap(grandchild);
	*step = 5;
	victim_reap(copy);
	_exit(0);
}

int main(void)
{
	char cwd[64];
	pid_t pid;
	int fd;

	step = victim_shared(sizeof(*step));
	SYS(chdir("/etc"));
	umask(077);
	fd = SYS(open("/dev/null", O_RDWR));
	pid = fork_sharing(CLONE_FILES | CLONE_FS);
	if (pid == 0)
		child(fd);
	until(1);
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	*step = 2;
	victim_reap(pid);
	SAME(fcntl(fd, F_GETFD), -1);
	SAME(fcntl(50, F_GETFD), 0);
	CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, "/usr") == 0, "in %s", cwd);
	SAME(umask(0), 0123);
	victim_ok();
}
