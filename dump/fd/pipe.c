/*
 * Ends of pipes. The bytes in between are dump/pipes.c's matter.
 *
 * A pipe whose other end is held outside of the tree is saved as it is: who restores it says what it is to
 * be connected with (--inherit-fd), else nobody is there.
 */
#include "images/fd/pipe.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dump/pipes.h"

static bool pipe_match(const struct file *f)
{
	return S_ISFIFO(f->st.st_mode) && !(f->flags & O_PATH) &&
	       strncmp(f->link, "pipe:[", 6) == 0;
}

static int pipe_dump(struct file *f, FileEntry *entry, struct err *e)
{
	(void)e;
	entry->pipe = pool_new(&f->dump->pool, PipeEntry);
	pipe_entry__init(entry->pipe);
	entry->pipe->id = f->id;
	entry->pipe->pipe_id = f->st.st_ino;
	entry->pipe->flags = f->flags & ~O_DIRECT;
	entry->pipe->fown = f->fown;
	return 0;
}

const struct fd_kind pipe_fd_kind = {
	.name = "fd/pipe",
	.type = FD_TYPES__PIPE,
	.match = pipe_match,
	.dump = pipe_dump,
	.finish = pipes_save, /* for both kinds: they share an image */
};
