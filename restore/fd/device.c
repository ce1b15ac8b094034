/*
 * Device files that the dump was told to take for external: opened where --external dev[NAME]:PATH says, or else by the
 * path that they had, if the same device is still there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "restore/files.h"

static bool device_takes(const FileExtraEntry *extra)
{
	return extra->device;
}

/* Of the same sort: opening another one by mistake could wait, or do harm. */
static int open_elsewhere(const char *path, const RegFileEntry *reg, int *ret_fd, struct err *e)
{
	struct stat st;
	int fd;

	if (stat(path, &st) < 0)
		return err_sys(e, "look at '%s', which --external gives for '%s'", path, reg->name);
	if (reg->has_mode && (st.st_mode & S_IFMT) != (reg->mode & S_IFMT))
		return err_say(e, "'%s', which --external gives for '%s', is no %s device", path,
			       reg->name, S_ISBLK(reg->mode) ? "block" : "character");
	fd = open(path, rfiles_open_flags(reg->flags) | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

static int check_device(const DeviceExtra *d, const char *path, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s'", path);
	if (major(st.st_rdev) == d->major && minor(st.st_rdev) == d->minor)
		return 0;
	err_say(e, "'%s' is the device %u:%u now; it was %u:%u when it was dumped", path,
		major(st.st_rdev), minor(st.st_rdev), d->major, d->minor);
	return err_hint(e, "say where it is with --external 'dev[%s]:PATH'", d->name);
}

static int device_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const DeviceExtra *d = rfiles_extra(r, f->id)->device;
	const char *key = pool_format(&r->pool, "dev[%s]", d->name), *path;
	const RegFileEntry *reg = f->reg;
	own_fd fd = -1;
	int got;

	if (options_external(r->opt, key, &path)) {
		if (open_elsewhere(path, reg, &got, e) < 0)
			return e->code;
		fd = got;
	} else {
		if (rfiles_open_path(r, reg, rfiles_open_flags(reg->flags), &got, e) < 0)
			return e->code;
		fd = got;
		if (!rfiles_is_inherited(r, reg) && check_device(d, reg->name, fd, e) < 0)
			return e->code;
	}
	if (reg->pos && !rfiles_is_inherited(r, reg) && lseek(fd, reg->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu in '%s'", reg->pos, reg->name);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind device_fd_restore_kind = {
	.name = "fd/device",
	.type = FD_TYPES__REG,
	.takes = device_takes,
	.make = device_make,
};
