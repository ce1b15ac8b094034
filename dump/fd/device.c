/*
 * Device files beyond /dev/null and its relatives: those known to have no state of their own but a position, and any that the
 * user names by --external dev[MAJOR/MINOR]:NAME. They are opened anew. What a driver has noted about an
 * opening, nobody can ask.
 *
 * The numbers of many drivers are given by the kernel as it likes, so they are known by the names that it has for them.
 */
#include "images/fd/device.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dump/files.h"
#include "lib/io.h"

/* Whoever opens them anew has the same. "cpu/": registers and identification of each processor. */
static const char *const harmless[] = {
	"mem",		 "port", "kvm",	    "hwrng",	   "vsock",   "loop-control",
	"btrfs-control", "cpu/", "udmabuf", "userfaultfd", "net/tun",
};

/* The kernel's name of a character device, below /dev. */
static bool is_harmless(const struct file *f)
{
	own_mem char *text = NULL;
	struct err e = { 0 };
	const char *name;
	char path[64];

	if (!S_ISCHR(f->st.st_mode))
		return false;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/uevent", major(f->st.st_rdev),
		 minor(f->st.st_rdev));
	if (io_slurp(AT_FDCWD, path, &text, NULL, &e) < 0)
		return false;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return false;
	name += strlen("DEVNAME=");
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++) {
		size_t size = strlen(harmless[i]);

		if (strncmp(name, harmless[i], size) == 0 &&
		    (name[size] == '\n' || harmless[i][size - 1] == '/'))
			return true;
	}
	return false;
}

static bool is_external(const struct file *f, const char **ret_name)
{
	char key[48];

	snprintf(key, sizeof(key), "dev[%u/%u]", major(f->st.st_rdev), minor(f->st.st_rdev));
	return options_external(f->dump->opt, key, ret_name);
}

static bool device_match(const struct file *f)
{
	return f->link[0] == '/' && (S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode)) &&
	       (is_external(f, NULL) || is_harmless(f));
}

static int device_dump(struct file *f, FileEntry *entry, struct err *e)
{
	DeviceExtra *device;
	const char *name;

	if (files_path_entry(f, f->id, &entry->reg, e) < 0)
		return e->code;
	if (!is_external(f, &name))
		return 0;
	device = files_extra(f)->device = pool_new(&f->dump->pool, DeviceExtra);
	device_extra__init(device);
	device->name = pool_text(&f->dump->pool, name);
	device->major = major(f->st.st_rdev);
	device->minor = minor(f->st.st_rdev);
	return 0;
}

const struct fd_kind device_fd_kind = {
	.name = "fd/device",
	.type = FD_TYPES__REG,
	.match = device_match,
	.dump = device_dump,
};
