/*
 * fanotify groups: class and flags, and marks on inodes, mounts and file systems, from fdinfo.
 *
 * Refused: events that wait (most of them hold a descriptor for whoever reads them), and marks for permission events. A stopped
 * process answers none, so whatever it guards stands still with it, the dump for one.
 */
#include "images/fd/fanotify.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

#include "dump/fanotify.h"
#include "dump/watch.h"

extern const struct fd_kind fanotify_fd_kind;

static bool fanotify_match(const struct file *f)
{
	return strcmp(f->link, FANOTIFY_LINK) == 0;
}

/* The lines behind that of the group, NULL behind the last. */
static const char *next_mark(const char *at)
{
	do {
		at = strstr(at, "\nfanotify ");
		at = at ? at + 1 : NULL;
	} while (at && strncmp(at, "fanotify flags:", 15) == 0);
	return at;
}

bool fanotify_decides(const char *fdinfo)
{
	uint64_t mask;

	for (const char *p = fdinfo; (p = next_mark(p)); p++)
		if (watch_number(p, " mask:", &mask) && mask & FANOTIFY_PERMISSIONS)
			return true;
	return false;
}

/* Found by the path of a mount, which is known at once. */
static int set_mount(struct file *f, const char *line, FanotifyMarkEntry *m, struct err *e)
{
	struct dump *d = f->dump;
	uint64_t id = 0, dev = 0;
	const char *path;

	m->me = pool_new(&d->pool, FanotifyMountMarkEntry);
	fanotify_mount_mark_entry__init(m->me);
	if (watch_number(line, " mnt_id:", &id)) {
		m->type = MARK_TYPE__MOUNT;
		if (watch_mount(d, (int)id, &path, e) < 0)
			return e->code;
	} else if (watch_number(line, " sdev:", &dev)) {
		m->type = MARK_TYPE__FILESYSTEM;
		if (watch_filesystem(d, dev, &path, e) < 0)
			return e->code;
	} else {
		return err_code(e, ENOTSUP, "it has a mark on something else than a file or mount");
	}
	if (!path)
		return err_code(e, ENOTSUP, "it has a mark on %s, which cannot be seen from here",
				id ? "a mount" : "a file system");
	m->s_dev = dev;
	m->me->mnt_id = id;
	m->me->path = (char *)path;
	return 0;
}

static int set_inode(struct file *f, const char *line, FanotifyMarkEntry *m, struct err *e)
{
	struct watched *w = (struct watched *)f->note + f->watch_count;

	if (watch_parse(f, line, w, e) < 0)
		return e->code;
	m->type = MARK_TYPE__INODE;
	m->s_dev = w->dev;
	m->ie = pool_new(&f->dump->pool, FanotifyInodeMarkEntry);
	fanotify_inode_mark_entry__init(m->ie);
	m->ie->i_ino = w->ino;
	m->ie->f_handle = w->handle;
	f->watch_count++;
	return 0;
}

static int add_mark(struct file *f, const char *line, FanotifyFileEntry *ffy, struct err *e)
{
	FanotifyMarkEntry *m = pool_new(&f->dump->pool, FanotifyMarkEntry);
	uint64_t flags, mask, ignored, ino;

	fanotify_mark_entry__init(m);
	if (!watch_number(line, " mflags:", &flags) || !watch_number(line, " mask:", &mask) ||
	    !watch_number(line, " ignored_mask:", &ignored))
		return err_code(e, ENOTSUP, "its marks are told in an unknown form");
	m->mflags = flags;
	m->mask = mask;
	m->ignored_mask = ignored;
	if (watch_number(line, " ino:", &ino) ? set_inode(f, line, m, e) < 0 :
						set_mount(f, line, m, e) < 0)
		return e->code;
	if (m->ie)
		((struct watched *)f->note)[f->watch_count - 1].number = ffy->n_mark;
	ffy->mark[ffy->n_mark++] = m;
	return 0;
}

static int check(const struct file *f, struct err *e)
{
	int unread;

	if (fanotify_decides(f->fdinfo))
		return fanotify_refuse(e);
	if (ioctl(f->fd, FIONREAD, &unread) < 0)
		return err_sys(e, "ask what waits in it");
	if (!unread)
		return 0;
	err_code(e, ENOTSUP, "events wait in it to be read, which is not supported");
	return err_hint(e, "let the program read them before the dump");
}

static int fanotify_dump(struct file *f, FileEntry *entry, struct err *e)
{
	struct pool *pool = &f->dump->pool;
	FanotifyFileEntry *ffy = pool_new(pool, FanotifyFileEntry);
	const char *line = strstr(f->fdinfo, "fanotify flags:");
	uint64_t flags, event_flags;
	size_t count = 0;

	if (check(f, e) < 0)
		return e->code;
	if (!line || !watch_number(line, " flags:", &flags) ||
	    !watch_number(line, " event-flags:", &event_flags))
		return err_code(e, ENOTSUP, "this kernel does not tell its flags");
	fanotify_file_entry__init(ffy);
	ffy->id = f->id;
	ffy->flags = f->flags;
	ffy->fown = f->fown;
	ffy->faflags = flags;
	ffy->evflags = event_flags;
	for (const char *p = f->fdinfo; (p = next_mark(p)); p++)
		count++;
	ffy->mark = pool_array(pool, FanotifyMarkEntry *, count + 1);
	f->note = pool_array(pool, struct watched, count + 1);
	for (const char *p = f->fdinfo; (p = next_mark(p)); p++)
		if (add_mark(f, p, ffy, e) < 0)
			return e->code;
	entry->ffy = ffy;
	return 0;
}

static int fanotify_finish(struct dump *d, struct err *e)
{
	struct file *f = NULL;

	while ((f = files_next(d, &fanotify_fd_kind, f)))
		if (watch_find(f->note, f->watch_count, e) < 0)
			return files_blame(f, e);
	return 0;
}

const struct fd_kind fanotify_fd_kind = {
	.name = "fd/fanotify",
	.type = FD_TYPES__FANOTIFY,
	.match = fanotify_match,
	.dump = fanotify_dump,
	.finish = fanotify_finish,
};
