/*
 * inotify: the watches, with their numbers, from fdinfo. Where the watched inodes are found is dump/watch.c's matter.
 *
 * Events that wait to be read can be looked at by nobody but by taking them away, which a dump that may yet fail must not do.
 * So only their being there is kept, and the restored program finds one that says IN_Q_OVERFLOW: some were lost.
 */
#include "images/fd/inotify.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "dump/watch.h"
#include "lib/log.h"

extern const struct fd_kind inotify_fd_kind;

static bool inotify_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:inotify") == 0;
}

/* The lines, NULL behind the last. */
static const char *next_line(const char *at)
{
	static const char start[] = "inotify wd:";

	if (strncmp(at, start, sizeof(start) - 1) == 0)
		return at;
	at = strstr(at, "\ninotify wd:");
	return at ? at + 1 : NULL;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (const char *p = text; (p = next_line(p)); p++)
		n++;
	return n;
}

static int by_wd(const void *va, const void *vb)
{
	const struct watched *a = va, *b = vb;

	return a->number < b->number ? -1 : a->number > b->number;
}

/* What f->note points to: one for each line of fdinfo, ascending. */
static int parse(struct file *f, InotifyFileEntry *ify, struct err *e)
{
	struct pool *pool = &f->dump->pool;
	struct watched *w = pool_array(pool, struct watched, f->watch_count + 1);
	size_t n = 0;

	for (const char *p = f->fdinfo; (p = next_line(p)); p++, n++) {
		InotifyWdEntry *wd = pool_new(pool, InotifyWdEntry);
		uint64_t number, mask;

		inotify_wd_entry__init(wd);
		if (watch_parse(f, p, &w[n], e) < 0)
			return e->code;
		if (!watch_number(p, " wd:", &number) || !watch_number(p, " mask:", &mask))
			return err_code(e, ENOTSUP, "what it watches is told in an unknown form");
		wd->wd = w[n].number = number;
		wd->i_ino = w[n].ino;
		wd->s_dev = w[n].dev;
		wd->mask = mask;
		wd->f_handle = w[n].handle;
		ify->wd[n] = wd;
	}
	ify->n_wd = n;
	qsort(w, n, sizeof(*w), by_wd);
	f->note = w;
	return 0;
}

static int inotify_dump(struct file *f, FileEntry *entry, struct err *e)
{
	InotifyFileEntry *ify = pool_new(&f->dump->pool, InotifyFileEntry);
	int unread;

	inotify_file_entry__init(ify);
	ify->id = f->id;
	ify->flags = f->flags;
	ify->fown = f->fown;
	if (ioctl(f->fd, FIONREAD, &unread) < 0)
		return err_sys(e, "ask what waits in it");
	if (unread) {
		files_extra(f)->has_unread = 1;
		f->extra->unread = unread;
		log_warn(
			"pid %d fd %d: %d bytes of events wait in it; IN_Q_OVERFLOW will stand for "
			"them",
			f->task->pid, f->num, unread);
	}
	f->watch_count = count_lines(f->fdinfo);
	ify->wd = pool_array(&f->dump->pool, InotifyWdEntry *, f->watch_count + 1);
	entry->ify = ify;
	return parse(f, ify, e);
}

static int inotify_finish(struct dump *d, struct err *e)
{
	struct file *f = NULL;

	while ((f = files_next(d, &inotify_fd_kind, f)))
		if (watch_find(f->note, f->watch_count, e) < 0)
			return files_blame(f, e);
	return 0;
}

const struct fd_kind inotify_fd_kind = {
	.name = "fd/inotify",
	.type = FD_TYPES__INOTIFY,
	.match = inotify_match,
	.dump = inotify_dump,
	.finish = inotify_finish,
};
