/* Interfaces of tun and tap: made by their device file, and left there without anybody attached. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "lib/own.h"
#include "restore/ns_net.h"

#ifndef IFF_NO_CARRIER
#define IFF_NO_CARRIER 0x0040
#endif

static int set(int fd, unsigned long request, unsigned long value, const char *what, struct err *e)
{
	return ioctl(fd, request, value) < 0 ? err_sys(e, "%s", what) : 0;
}

static int make(const struct rlink *l, struct err *e)
{
	const TunLinkEntry *t = l->m->tun;
	unsigned int index = l->m->ifindex;
	struct ifreq setup = { 0 };
	int header = (int)t->vnethdr, room = (int)t->sndbuf;
	own_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '/dev/net/tun'");
	memcpy(setup.ifr_name, l->m->name, strlen(l->m->name));
	setup.ifr_flags = (short)(t->flags &
				  (IFF_TUN | IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE));
	if (ioctl(fd, TUNSETIFINDEX, &index) < 0 || ioctl(fd, TUNSETIFF, &setup) < 0)
		return err_sys(e, "make it");
	if (t->owner >= 0 && set(fd, TUNSETOWNER, (unsigned long)t->owner, "set its owner", e) < 0)
		return e->code;
	if (t->group >= 0 && set(fd, TUNSETGROUP, (unsigned long)t->group, "set its group", e) < 0)
		return e->code;
	if ((header && ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) ||
	    (room > 0 && ioctl(fd, TUNSETSNDBUF, &room) < 0))
		return err_sys(e, "set its sizes");
	return set(fd, TUNSETPERSIST, 1, "let it stay", e);
}

int rnet_make_tun(const struct rlink *l, struct err *e)
{
	return make(l, e) < 0 ? err_on(e, "the interface '%s' (tun)", l->m->name) : 0;
}
