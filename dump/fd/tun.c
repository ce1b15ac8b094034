/*
 * Descriptors of /dev/net/tun. One that is attached to an interface is attached to it again; for that the interface has to
 * outlive the program (TUNSETPERSIST), as it does with addresses, routes and settings. Packets that were not read are lost,
 * as they are to whoever reads too slowly. One that is attached to nothing is opened anew by dump/fd/device.c.
 */
#include "images/fd/tun_extra.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "dump/files.h"
#include "dump/sk_more.h"

static bool read_setup(const struct file *f, struct ifreq *ret)
{
	memset(ret, 0, sizeof(*ret));
	return ioctl(f->fd, TUNGETIFF, ret) == 0;
}

static bool tun_match(const struct file *f)
{
	struct ifreq setup;

	return S_ISCHR(f->st.st_mode) && !(f->flags & O_PATH) && f->link[0] == '/' &&
	       f->st.st_rdev == makedev(10, 200) && read_setup(f, &setup);
}

static int tun_dump(struct file *f, FileEntry *entry, struct err *e)
{
	TunExtra *tun = files_extra(f)->tun = pool_new(&f->dump->pool, TunExtra);
	struct ifreq setup;

	tun_extra__init(tun);
	if (sk_more_check_ns(f, e) < 0)
		return e->code;
	if (!read_setup(f, &setup))
		return err_sys(e, "ask for its interface");
	if (!((unsigned short)setup.ifr_flags & IFF_PERSIST)) {
		err_code(e, ENOTSUP,
			 "the interface '%s' ends with the program, which is not supported",
			 setup.ifr_name);
		return err_hint(e, "let it stay: TUNSETPERSIST, or make it with 'ip tuntap add'");
	}
	tun->path = (char *)f->link;
	tun->flags = f->flags;
	tun->interface = (char *)pool_text(&f->dump->pool, setup.ifr_name);
	tun->setup = (unsigned short)setup.ifr_flags & ~(unsigned int)IFF_PERSIST;
	entry->ext = pool_new(&f->dump->pool, ExtFileEntry);
	ext_file_entry__init(entry->ext);
	entry->ext->id = f->id;
	entry->ext->fown = f->fown;
	return 0;
}

const struct fd_kind tun_fd_kind = {
	.name = "fd/tun",
	.type = FD_TYPES__EXT,
	.match = tun_match,
	.dump = tun_dump,
};
