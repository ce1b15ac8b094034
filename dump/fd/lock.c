/*
 * Locks of files: POSIX locks (of a table of descriptors), flock and open file description locks and leases (of a
 * description). All are told by the lock: lines of fdinfo of the descriptors through which they are held.
 *
 * A lease that is being broken is refused: its holder has just been told so by a signal, and the clock runs.
 */
#include "images/fd/lock.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump/files_table.h"
#include "images/image.h"

enum lock_flag { LOCK_POSIX = 1, LOCK_FLOCK = 2, LOCK_OFD = 4, LOCK_LEASE = 8 };

static const struct {
	const char *kernel, *name;
	enum lock_flag flag;
} sorts[] = {
	{ "POSIX", "POSIX lock", LOCK_POSIX },
	{ "FLOCK", "flock", LOCK_FLOCK },
	{ "OFDLCK", "open file description lock", LOCK_OFD },
	{ "LEASE", "lease", LOCK_LEASE },
};

struct held_lock {
	FileLockEntry entry;
	struct held_lock *next;
};

/* "lock:\t1: POSIX  ADVISORY  WRITE 3890 00:1b:1234 100 EOF" */
struct lock_line {
	char sort[16], state[16], type[8], end[24];
	int pid;
	long long start;
};

static bool parse(const char *line, struct lock_line *ret)
{
	return sscanf(line, "lock: %*d: %15s %15s %7s %d %*x:%*x:%*u %lld %23s", ret->sort,
		      ret->state, ret->type, &ret->pid, &ret->start, ret->end) == 6;
}

static int check(const struct file *f, const struct lock_line *l, size_t sort, struct err *e)
{
	if (!f->dump->opt->file_locks) {
		err_say(e, "it holds a %s of '%s'", sorts[sort].name, f->link);
		return err_hint(e, "locks are carried with --file-locks");
	}
	if (sorts[sort].flag == LOCK_LEASE && strcmp(l->state, "ACTIVE") != 0) {
		err_code(e, EAGAIN, "its lease of '%s' is being broken by another process",
			 f->link);
		return err_hint(e, "try again when the program has given it back");
	}
	return 0;
}

static int add(const struct fd_table *t, const struct descriptor *at, const struct lock_line *l,
	       enum lock_flag flag)
{
	struct dump *d = t->task->dump;
	struct held_lock *lock = pool_new(&d->pool, struct held_lock);
	FileLockEntry *entry = &lock->entry;

	file_lock_entry__init(entry);
	entry->flag = flag;
	entry->type = l->type[0] == 'R' ? F_RDLCK : l->type[0] == 'W' ? F_WRLCK : F_UNLCK;
	entry->pid = t->task->inner;
	entry->fd = at->num;
	entry->start = l->start;
	entry->len = strcmp(l->end, "EOF") == 0 ? 0 : strtoll(l->end, NULL, 10) - l->start + 1;
	if (d->files->last_lock)
		d->files->last_lock->next = lock;
	else
		d->files->locks = lock;
	d->files->last_lock = lock;
	return 0;
}

static int lock_seen(const struct fd_table *t, const struct descriptor *at, const char *fdinfo,
		     struct err *e)
{
	struct file *f = at->file;
	bool first_here = f->locks_of != t->id;

	for (const char *p = fdinfo; (p = strstr(p, "lock:\t")); p++) {
		struct lock_line l;
		size_t sort = 0;

		if (p != fdinfo && p[-1] != '\n') /* "memlock:" of a BPF map */
			continue;
		if (!parse(p, &l))
			return err_code(e, ENOTSUP, "its locks are told in an unknown form");
		while (sort < ARRAY_SIZE(sorts) && strcmp(sorts[sort].kernel, l.sort) != 0)
			sort++;
		if (sort == ARRAY_SIZE(sorts))
			return err_code(e, ENOTSUP,
					"it holds a lock of the kind '%s' of '%s', "
					"which is not supported",
					l.sort, f->link);
		/* Seen once more through another number: told by the first one. */
		if (sorts[sort].flag == LOCK_POSIX ? !first_here : !at->first)
			continue;
		if (check(f, &l, sort, e) < 0)
			return e->code;
		add(t, at, &l, sorts[sort].flag);
	}
	f->locks_of = t->id;
	return 0;
}

static int lock_finish(struct dump *d, struct err *e)
{
	own_image img = {};

	if (!d->files->locks)
		return 0;
	if (image_create(&img, d->images, IMG_FILELOCKS, 0, e) < 0)
		return e->code;
	for (const struct held_lock *l = d->files->locks; l; l = l->next)
		if (image_write(&img, &l->entry, e) < 0)
			return e->code;
	return image_close(&img, e);
}

const struct fd_kind lock_fd_kind = {
	.name = "fd/lock",
	.seen = lock_seen,
	.finish = lock_finish,
};
