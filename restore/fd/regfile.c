/* Files that were opened by path: opened again, with the position that they had. Inherited ones have their own. */
#include <errno.h>
#include <unistd.h>

#include "restore/files.h"

enum { O_PATH_FLAG = 010000000 };

static int regfile_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const RegFileEntry *reg = f->reg;
	own_fd fd = -1;
	int got;

	if (rfiles_open_path(r, reg, rfiles_open_flags(reg->flags), &got, e) < 0)
		return e->code;
	fd = got;
	/* UINT64_MAX: the position means nothing. */
	if (reg->pos && reg->pos != UINT64_MAX && !(reg->flags & O_PATH_FLAG) &&
	    !rfiles_is_inherited(r, reg) && lseek(fd, reg->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu in '%s'", reg->pos, reg->name);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind regfile_fd_restore_kind = {
	.name = "fd/regfile",
	.type = FD_TYPES__REG,
	.make = regfile_make,
};
