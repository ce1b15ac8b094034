/* Ends of named pipes: the node as any file with a path, the bytes as those of pipes (dump/pipes.c). */
#include "images/fd/fifo.pb-c.h"

#include <fcntl.h>

#include "dump/pipes.h"

static bool fifo_match(const struct file *f)
{
	return S_ISFIFO(f->st.st_mode) && !(f->flags & O_PATH) && f->link[0] == '/';
}

static int fifo_dump(struct file *f, FileEntry *entry, struct err *e)
{
	FifoEntry *fifo = pool_new(&f->dump->pool, FifoEntry);
	int flags = f->flags, r;

	fifo_entry__init(fifo);
	fifo->id = f->id;
	fifo->pipe_id = f->st.st_ino;
	fifo->has_regf_id = 1;
	entry->fifo = fifo;
	f->flags &= ~O_DIRECT; /* packet mode is noted apart, as for pipes */
	r = files_add_node(f, &fifo->regf_id, e);
	f->flags = flags;
	return r;
}

const struct fd_kind fifo_fd_kind = {
	.name = "fd/fifo",
	.type = FD_TYPES__FIFO,
	.match = fifo_match,
	.dump = fifo_dump,
};
