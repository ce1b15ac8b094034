/*
 * Locks of files and leases, taken by the tasks that had them. A POSIX lock goes when its process closes any descriptor of
 * the file, so this comes after everything that closes some.
 */
#include "images/fd/lock.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/files_table.h"
#include "restore/load.h"

enum lock_flag { LOCK_POSIX = 1, LOCK_FLOCK = 2, LOCK_OFD = 4, LOCK_LEASE = 8 };

struct rlocks {
	FileLockEntry **all;
	size_t count;
};

static const FdinfoEntry *descriptor(const struct rtask *t, int number)
{
	return number < 0 ? NULL : rfiles_number(rfiles_table_of(t), number);
}

static int check(const struct restore *r, const FileLockEntry *l, struct err *e)
{
	const struct rtask *t = load_find(r, l->pid);

	if (!t || !descriptor(t, l->fd))
		return err_say(e,
			       "'filelocks.img' has a lock of fd %d of pid %d, which is not "
			       "there",
			       l->fd, l->pid);
	if ((l->flag != LOCK_POSIX && l->flag != LOCK_FLOCK && l->flag != LOCK_OFD &&
	     l->flag != LOCK_LEASE) ||
	    l->type > F_UNLCK)
		return err_code(e, ENOTSUP,
				"fd %d of pid %d had a lock of an unknown sort (%u, "
				"type %u)",
				l->fd, l->pid, l->flag, l->type);
	if (r->opt->file_locks)
		return 0;
	err_say(e, "fd %d of pid %d had a lock when it was dumped", l->fd, l->pid);
	return err_hint(e, "locks are taken again with --file-locks");
}

static int lock_load(struct restore *r, struct err *e)
{
	struct rlocks *locks = pool_new(&r->pool, struct rlocks);
	own_image img = {};
	int got;

	r->files->locks = locks;
	if (image_open(&img, r->images, IMG_FILELOCKS, 0, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
		return 0;
	}
	for (;;) {
		own_message FileLockEntry *l = NULL;

		got = image_read(&img, &file_lock_entry__descriptor, &l, e);
		if (got <= 0)
			return got;
		if (io_grow(&locks->all, locks->count, sizeof(*locks->all), e) < 0)
			return e->code;
		locks->all[locks->count++] = l;
		if (check(r, take_mem(l), e) < 0)
			return e->code;
	}
}

static const char *path_of(const struct rtask *t, const FileLockEntry *l)
{
	const FileEntry *f = rfiles_entry(t->restore, descriptor(t, l->fd)->id);

	return f->reg ? f->reg->name : "a file";
}

static void take_range(const FileLockEntry *l, const char *words, struct plan *p)
{
	struct flock *range = plan_data(p, sizeof(*range));

	range->l_type = l->type;
	range->l_whence = SEEK_SET;
	range->l_start = l->start;
	range->l_len = l->len;
	plan_call(p, words, SYS_fcntl, ARG(l->fd), ARG(l->flag == LOCK_OFD ? F_OFD_SETLK : F_SETLK),
		  DATA(p, range));
}

static void take(const struct rtask *t, const FileLockEntry *l, struct plan *p)
{
	const char *words =
		plan_words(p, "lock '%s' for fd %d of pid %d", path_of(t, l), l->fd, t->pid);
	int how = l->type == F_RDLCK ? LOCK_SH : l->type == F_WRLCK ? LOCK_EX : LOCK_UN;

	switch (l->flag) {
	case LOCK_FLOCK:
		plan_call(p, words, SYS_flock, ARG(l->fd), ARG(how | LOCK_NB));
		break;
	case LOCK_LEASE:
		plan_call(p, words, SYS_fcntl, ARG(l->fd), ARG(F_SETLEASE), ARG(l->type));
		break;
	default:
		take_range(l, words, p);
	}
}

static int lock_task(struct rtask *t, struct plan *p, struct err *e)
{
	const struct rlocks *locks = t->restore->files->locks;

	(void)e;
	for (size_t i = 0; i < locks->count; i++)
		if (locks->all[i]->pid == t->pid)
			take(t, locks->all[i], p);
	return 0;
}

static uint32_t lock_task_room(const struct rtask *t)
{
	const struct rlocks *locks = t->restore->files->locks;
	uint32_t room = 0;

	for (size_t i = 0; i < locks->count; i++)
		room += locks->all[i]->pid == t->pid;
	return room;
}

static void lock_close(struct restore *r)
{
	struct rlocks *locks = r->files->locks;

	for (size_t i = 0; locks && i < locks->count; i++)
		protobuf_c_message_free_unpacked(&locks->all[i]->base, NULL);
	if (locks)
		free(locks->all);
	r->files->locks = NULL;
}

const struct fd_restore_kind lock_fd_restore_kind = {
	.name = "fd/lock",
	.load = lock_load,
	.task = lock_task,
	.task_room = lock_task_room,
	.close = lock_close,
};
