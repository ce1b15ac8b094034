/* Descriptors that are refused by name: one of each kind, as number 3. */
#include "test/lib/fds.h"

#include <arpa/inet.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

static int tcp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = SYS(socket(AF_INET, SOCK_STREAM, 0));

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return SYS(listen(fd, 1));
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
	{ "tcp", tcp },	      { "secret", secret }, { "queue", queue },
	{ "device", device }, { "thread", thread },
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
