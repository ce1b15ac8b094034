/* Descriptors that are refused by name: one of each kind, as number 3. */
#include "test/lib/fds.h"

#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

static int raw(void)
{
	return socket(AF_INET, SOCK_RAW, 253);
}

static int own_inotify(void)
{
	return inotify_init1(0);
}

static int own_pidfd(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0);
}

static int namespace(void)
{
	return open("/proc/self/ns/net", O_RDONLY);
}

static int secret(void)
{
	return syscall(SYS_memfd_secret, 0);
}

static int queue(void)
{
	int fd = mq_open("/stasis-test", O_RDWR | O_CREAT, 0600, NULL);

	mq_unlink("/stasis-test");
	return fd;
}

static int device(void)
{
	int fd;

	SYS(mknod(fds_path("device"), S_IFCHR | 0600, makedev(10, 183)));
	fd = open(fds_path("device"), O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		fd = SYS(open("/dev/fuse", O_RDWR));
	return fd;
}

/* Of a process that is gone. */
static int dead(void)
{
	int ends[2];
	char path[64];
	pid_t pid;

	SYS(pipe(ends));
	pid = SYS(fork());
	if (pid == 0) {
		SYS(close(ends[1]));
		_exit(read(ends[0], path, 1) != 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	SYS(open(path, O_RDONLY));
	SYS(close(ends[0]));
	SYS(close(ends[1]));
	SYS(dup2(5, 3));
	SYS(close(5));
	victim_reap(pid);
	return 3;
}

static int own_descriptor(void)
{
	return open("/proc/self/fdinfo/0", O_RDONLY);
}

/* A table of its own for a thread. */
static void *unshared(void *arg)
{
	SYS(unshare(CLONE_FILES));
	victim_set();
	victim_wait();
	return arg;
}

static int thread(void)
{
	victim_thread(unshared, NULL);
	return 0;
}

static const struct {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "raw", raw },		{ "inotify", own_inotify },
	{ "pidfd", own_pidfd }, { "namespace", namespace },
	{ "secret", secret },	{ "queue", queue },
	{ "device", device },	{ "dead", dead },
	{ "thread", thread },	{ "fdinfo", own_descriptor },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && argc > 1; i++)
		if (strcmp(kinds[i].name, argv[1]) == 0 && kinds[i].make() < 0)
			victim_skip(strerror(errno));
	victim_ready();
	victim_join();
	victim_ok();
}
