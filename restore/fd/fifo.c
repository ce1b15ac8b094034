/*
 * Ends of named pipes. The node is opened for reading and writing first, so that the bytes have somewhere to
 * go; but a writer that comes and goes is seen by readers as a hang-up, so not where none is to be seen.
 */
#include <errno.h>
#include <fcntl.h>

#include "restore/pipes.h"

static int open_node(struct restore *r, struct rpipe *p, const RegFileEntry *node, struct err *e)
{
	int fd;

	if (p->reading >= 0 || (p->packets && p->packets->waiting))
		return 0;
	if (rfiles_open_path(r, node, O_RDWR | O_NONBLOCK, &fd, e) < 0)
		return e->code;
	p->reading = p->writing = fd;
	return rpipes_fill(p, e);
}

static int fifo_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const FileEntry *node = f->fifo->has_regf_id ? rfiles_entry(r, f->fifo->regf_id) : NULL;
	struct rpipe *p = rpipes_get(r, true, f->fifo->pipe_id);
	own_fd fd = -1;
	int got;

	if (!node || !node->reg)
		return err_say(e, "its path is not in 'files.img'");
	if (open_node(r, p, node->reg, e) < 0 ||
	    rfiles_open_path(r, node->reg, (node->reg->flags & O_ACCMODE) | O_NONBLOCK, &got, e) <
		    0)
		return e->code;
	fd = got;
	if (rpipes_set_flags(p, f->id, fd, node->reg->flags, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind fifo_fd_restore_kind = {
	.name = "fd/fifo",
	.type = FD_TYPES__FIFO,
	.load = rpipes_load,
	.make = fifo_make,
};
