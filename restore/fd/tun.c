/* Descriptors of /dev/net/tun: attached to the interface that they had. If that is gone, nobody else is made to be it. */
#include "images/fd/tun_extra.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

#include "restore/files.h"

static bool tun_takes(const FileExtraEntry *extra)
{
	return extra->tun;
}

static int attach(int fd, const TunExtra *tun, struct err *e)
{
	struct ifreq setup = { 0 };

	strncpy(setup.ifr_name, tun->interface, IFNAMSIZ - 1);
	if (!if_nametoindex(setup.ifr_name))
		return err_sys(e, "the network interface '%s' is not there any more",
			       setup.ifr_name);
	setup.ifr_flags = (short)tun->setup;
	if (ioctl(fd, TUNSETIFF, &setup) == 0)
		return 0;
	err_sys(e, "attach it to the network interface '%s'", setup.ifr_name);
	return e->code == -EBUSY ? err_hint(e, "another program has it by now; end that") : e->code;
}

static int tun_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const TunExtra *tun = rfiles_extra(r, f->id)->tun;
	int got = rfiles_path_open(r, tun->path, rfiles_open_flags(tun->flags));
	own_fd fd = got;

	if (got < 0)
		return err_res(e, got, "open '%s'", tun->path);
	if (!r->opt->dry_run && attach(fd, tun, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind tun_fd_restore_kind = {
	.name = "fd/tun",
	.type = FD_TYPES__EXT,
	.takes = tun_takes,
	.make = tun_make,
};
