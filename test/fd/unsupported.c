/* Descriptors that are refused by name: one of each kind, as number 3. */
#include "test/lib/fds.h"

#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

static int secret(void)
{
	return syscall(SYS_memfd_secret, 0);
}

static int device(void)
{
	SYS(mknod(fds_path("device"), S_IFCHR | 0600, makedev(10, 229)));
	return open(fds_path("device"), O_RDWR);
}

static int counter(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_TASK_CLOCK };

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static int faults(void)
{
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
}

static int vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
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
	{ "secret", secret }, { "device", device }, { "thread", thread },
	{ "perf", counter }, { "uffd", faults },   { "vsock", vsock },
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
