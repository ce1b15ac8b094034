/* Device files: those without state, and those that are named at the dump (a FUSE channel that nobody has mounted; a loop device). */
#include "test/lib/fds.h"

#include <sys/sysmacros.h>

static struct fds before;

static void make_fuse(void)
{
	const char *path = fds_path("device");

	SYS(mknod(path, S_IFCHR | 0640, makedev(10, 229)));
	if (open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) < 0)
		victim_skip(strerror(errno));
	SYS(dup(3));
}

static void use_fuse(void)
{
	char byte[4096];

	SAME(read(3, byte, sizeof(byte)), -1);
	SAME(errno, EPERM); /* it is not mounted */
}

static void make_block(void)
{
	const char *path = fds_path("device");
	int fd;

	SYS(mknod(path, S_IFBLK | 0640, makedev(7, 7)));
	fd = open(path, O_RDONLY);
	if (fd < 0)
		victim_skip(strerror(errno));
	lseek(fd, 512, SEEK_SET);
}

static void make_plain(void)
{
	static const char *const paths[] = { "/dev/hwrng", "/dev/kvm", "/dev/loop-control",
					     "/dev/kmsg" };
	int count = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		count += open(paths[i], i == 3 ? O_WRONLY : i % 2 ? O_RDWR : O_RDONLY) >= 0;
	if (!count)
		victim_skip("none of these devices is here");
}

/* A virtual console or a serial line. */
static void make_tty(void)
{
	if (open(getenv("TTY"), O_RDWR | O_NOCTTY | O_NONBLOCK) < 0)
		victim_skip(strerror(errno));
	SYS(fcntl(3, F_SETFL, 0));
}

static void use_tty(void)
{
	CHECK(isatty(3));
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*make)(void), (*use)(void);
} all[] = {
	{ "fuse", make_fuse, use_fuse },
	{ "block", make_block, nothing },
	{ "plain", make_plain, nothing },
	{ "tty", make_tty, use_tty },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && argc > 1; i++) {
		if (strcmp(all[i].name, argv[1]) != 0)
			continue;
		all[i].make();
		fds_note(&before);
		victim_ready();
		if (argc < 3) /* it may be elsewhere */
			fds_check(&before);
		all[i].use();
	}
	victim_ok();
}
