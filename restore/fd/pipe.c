/*
 * Ends of pipes. A pipe is made once; the first end of each sort that pipe(2) had returned (it lacks O_LARGEFILE) is one
 * of ours, all others are opened through /proc, as they were. --inherit-fd 'fd[N]:pipe:[ID]' gives an end from
 * outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "lib/log.h"
#include "restore/pipes.h"

enum { KERNEL_O_LARGEFILE = 0100000 };

static int make_pipe(struct rpipe *p, struct err *e)
{
	int ends[2];

	if (p->reading >= 0)
		return 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "make a pipe");
	p->reading = ends[0];
	p->writing = ends[1];
	return rpipes_fill(p, e);
}

/* Our own end, if it was one that pipe(2) had made and nobody has it yet; else -1. It changes hands. */
static int original(struct rpipe *p, const PipeEntry *entry)
{
	int access = entry->flags & O_ACCMODE;
	bool *given = access == O_RDONLY ? &p->reading_given : &p->writing_given;

	if (entry->flags & KERNEL_O_LARGEFILE || access == O_RDWR || *given)
		return -1;
	*given = true;
	return access == O_RDONLY ? p->reading : p->writing;
}

static void warn(const struct rpipe *p)
{
	if (p->packets && p->packets->outside)
		log_warn("pipe:[%u]: its other end was outside of the tree, so nobody has it now; "
			 "--inherit-fd 'fd[N]:pipe:[%u]' connects it",
			 p->pipe_id, p->pipe_id);
}

static int pipe_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const PipeEntry *entry = f->pipe;
	struct rpipe *p = rpipes_get(r, false, entry->pipe_id);
	own_fd fd = -1;
	char key[32];
	int got = -1;

	snprintf(key, sizeof(key), "pipe:[%u]", entry->pipe_id);
	if (rfiles_inherited(r, key, entry->flags & O_ACCMODE, ret_fd, e) < 0)
		return e->code;
	if (*ret_fd >= 0)
		return 0;
	if (make_pipe(p, e) < 0)
		return e->code;
	got = original(p, entry);
	if (got < 0 && rfiles_reopen(p->reading, entry->flags & O_ACCMODE, &got, e) < 0)
		return e->code;
	fd = got;
	if (rpipes_set_flags(p, f->id, fd, entry->flags, e) < 0)
		return e->code;
	warn(p);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int pipe_made(struct restore *r, struct err *e)
{
	(void)e;
	rpipes_close_ends(r);
	return 0;
}

const struct fd_restore_kind pipe_fd_restore_kind = {
	.name = "fd/pipe",
	.type = FD_TYPES__PIPE,
	.load = rpipes_load,
	.make = pipe_make,
	.made = pipe_made, /* for both kinds */
	.close = rpipes_free,
};
