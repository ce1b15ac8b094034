/* Files with a path: positions, flags, sharing, odd names, files of /proc, gaps and high numbers. */
#include "test/lib/fds.h"

#include <sys/wait.h>

static struct fds before;
static int *shared; /* the child's answer */

static int create(const char *name, int flags, const char *text)
{
	int fd = SYS(open(fds_path(name), O_CREAT | O_EXCL | flags, 0640));

	SAME(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* Inherited descriptions, one at another number, and the same file opened once more. */
static void child(int inherited)
{
	static struct fds own;

	SYS(dup2(inherited, 77));
	SYS(open(fds_path("plain"), O_RDONLY));
	victim_set();
	fds_note(&own);
	*shared = 2;
	victim_wait();
	fds_check(&own);
	while (*(volatile int *)shared != 3)
		victim_sleep_ms(1);
	SAME(lseek(77, 0, SEEK_CUR), 5);
	SAME(SYS(lseek(77, 1, SEEK_CUR)), 6);
	*shared = 1;
	_exit(0);
}

static void set_up(void)
{
	int fd = create("plain", O_RDWR, "0123456789"), dir;
	char entries[64];

	SYS(lseek(fd, 5, SEEK_SET));
	SYS(dup3(fd, 20, O_CLOEXEC));
	SYS(dup2(fd, 900));
	create("append", O_WRONLY | O_APPEND, "abc");
	create("sync", O_RDWR | O_SYNC | O_NONBLOCK | O_CLOEXEC, "x");
	create("real (deleted)", O_RDWR, "not deleted");
	create("\n new\tline '", O_RDWR, "odd");
	SYS(open(fds_path("plain"), O_RDONLY));
	SYS(open(fds_path("plain"), O_PATH));
	SYS(symlink("plain", fds_path("link")));
	SYS(open(fds_path("link"), O_PATH | O_NOFOLLOW | O_CLOEXEC));
	SYS(open("/dev/null", O_RDWR));
	SYS(open("/dev/zero", O_RDONLY));
	SYS(open("/dev/full", O_WRONLY));
	SYS(open("/dev/urandom", O_RDONLY));
	SYS(open("/proc/self/stat", O_RDONLY));
	SYS(open("/proc/self", O_PATH));
	SYS(open("/sys/kernel/mm", O_RDONLY | O_DIRECTORY));
	dir = SYS(open(fds_path("."), O_RDONLY | O_DIRECTORY));
	SYS(syscall(SYS_getdents64, dir, entries, sizeof(entries)));
	SYS(close(1)); /* a gap among the low ones */
}

int main(void)
{
	char text[64];
	pid_t pid;

	shared = victim_shared(sizeof(*shared));
	set_up();
	pid = victim_fork();
	if (pid == 0)
		child(20);
	while (*(volatile int *)shared != 2)
		victim_sleep_ms(1);
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	*shared = 3;
	victim_reap(pid);
	SAME(*shared, 1);
	SAME(lseek(20, 0, SEEK_CUR), 6); /* moved by the child */
	SAME(read(900, text, sizeof(text)), 4);
	SAME(lseek(20, 0, SEEK_CUR), 10);
	victim_ok();
}
