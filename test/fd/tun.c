/* /dev/net/tun: attached to an interface that stays, or ends with the program; attached to nothing. */
#include "test/lib/fds.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

static struct fds before;

static int attach(const char *name, int flags)
{
	struct ifreq setup = { .ifr_flags = (short)flags };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	strncpy(setup.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &setup) < 0)
		victim_skip(strerror(errno));
	return fd;
}

static void is_attached(int fd, const struct ifreq *was)
{
	struct ifreq is = { 0 };

	SYS(ioctl(fd, TUNGETIFF, &is));
	CHECK(strcmp(is.ifr_name, was->ifr_name) == 0, "it is attached to '%s'", is.ifr_name);
	SAME(is.ifr_flags, was->ifr_flags);
}

int main(int argc, char **argv)
{
	struct ifreq was[2] = { 0 };
	char name[IFNAMSIZ], other[IFNAMSIZ];
	bool stays = argc > 1 && strcmp(argv[1], "stays") == 0;
	int tap, tun, loose;

	snprintf(name, sizeof(name), "st%da", getpid());
	snprintf(other, sizeof(other), "st%db", getpid());
	tap = attach(name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	tun = attach(other, IFF_TUN | IFF_MULTI_QUEUE);
	loose = SYS(open("/dev/net/tun", O_RDWR));
	SYS(ioctl(tap, TUNSETPERSIST, stays));
	SYS(ioctl(tun, TUNSETPERSIST, stays));
	SYS(ioctl(tap, TUNGETIFF, &was[0]));
	SYS(ioctl(tun, TUNGETIFF, &was[1]));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	is_attached(tap, &was[0]);
	is_attached(tun, &was[1]);
	SAME(ioctl(loose, TUNGETIFF, &was[0]), -1);
	SYS(ioctl(tap, TUNSETPERSIST, 0));
	SYS(ioctl(tun, TUNSETPERSIST, 0));
	victim_ok();
}
