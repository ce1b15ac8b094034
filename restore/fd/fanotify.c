/*
 * fanotify. As with inotify, marks are made when no file is opened any more; what comes in all the same is taken out before the
 * tree runs.
 */
#include "images/fd/fanotify.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore/files_table.h"
#include "restore/watch.h"

#ifndef FAN_MARK_IGNORE
#define FAN_MARK_IGNORE 0x400
#endif
#ifndef FAN_MARK_EVICTABLE
#define FAN_MARK_EVICTABLE 0x200
#endif

/* The kernel's own bits in an image are not ours to set. */
enum { INIT_FLAGS = 0x7fff };

static int fanotify_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const FanotifyFileEntry *ffy = f->ffy;
	own_fd fd = fanotify_init(ffy->faflags & INIT_FLAGS, ffy->evflags);
	int flags;

	(void)r;
	if (fd < 0) {
		err_sys(e, "fanotify_init(0x%x, 0x%x)", ffy->faflags, ffy->evflags);
		return e->code == -EMFILE ?
			       err_hint(e, "raise the sysctl fs.fanotify.max_user_groups") :
			       e->code;
	}
	/* FAN_CLOEXEC belongs to what fdinfo tells, whatever became of the descriptor. */
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	flags = fcntl(fd, F_GETFL);
	if ((flags ^ (int)ffy->flags) & O_NONBLOCK && fcntl(fd, F_SETFL, flags ^ O_NONBLOCK) < 0)
		return err_sys(e, "set its flags");
	*ret_fd = take_fd(&fd);
	return 0;
}

static const struct {
	MarkType type;
	unsigned int flag;
	const char *word;
} types[] = {
	{ MARK_TYPE__INODE, FAN_MARK_INODE, "file" },
	{ MARK_TYPE__MOUNT, FAN_MARK_MOUNT, "mount" },
	{ MARK_TYPE__FILESYSTEM, FAN_MARK_FILESYSTEM, "file system" },
};

/* A mark on a mount needs the same mount there, not what it has covered. */
static int open_mount(struct restore *r, const FanotifyMarkEntry *m, int *ret_fd, struct err *e)
{
	const char *path = m->me && m->me->path ? m->me->path : NULL;
	struct statx st;

	if (!path)
		return err_say(e, "'files.img' has a mark on a mount without a path");
	own_fd fd = rfiles_path_open(r, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return err_res(e, fd, "its mark on a mount: open '%s'", path);
	if (m->type == MARK_TYPE__MOUNT && (statx(fd, "", AT_EMPTY_PATH, 0, &st) < 0 ||
					    !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT))) {
		err_say(e, "its mark on a mount: nothing is mounted on '%s'", path);
		return err_hint(e, "mount it as it was");
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_place(struct restore *r, const FanotifyFileEntry *ffy, size_t at, int *ret_fd,
		      struct err *e)
{
	const FanotifyMarkEntry *m = ffy->mark[at];
	struct watch_place w = { .id = ffy->id, .number = (uint32_t)at, .dev = m->s_dev };

	if (m->type != MARK_TYPE__INODE)
		return open_mount(r, m, ret_fd, e);
	if (!m->ie)
		return err_say(e, "'files.img' has a mark on a file without the file");
	w.ino = m->ie->i_ino;
	w.handle = m->ie->f_handle;
	return rwatch_open(r, &w, ret_fd, e);
}

static int mark(int fd, const FanotifyMarkEntry *m, int place, struct err *e)
{
	unsigned int evictable = m->mflags & FAN_MARK_EVICTABLE, type = 0;
	unsigned int ignore = m->mflags & FAN_MARK_IGNORE ? FAN_MARK_IGNORE : FAN_MARK_IGNORED_MASK;
	const char *word = "thing";
	char path[32];

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].type == m->type) {
			type = types[i].flag;
			word = types[i].word;
		}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	if (m->mask &&
	    fanotify_mark(fd, FAN_MARK_ADD | type | evictable, m->mask, AT_FDCWD, path) < 0)
		return err_sys(e, "mark a %s for 0x%x", word, m->mask);
	ignore |= m->mflags & FAN_MARK_IGNORED_SURV_MODIFY;
	if (m->ignored_mask && fanotify_mark(fd, FAN_MARK_ADD | type | evictable | ignore,
					     m->ignored_mask, AT_FDCWD, path) < 0)
		return err_sys(e, "mark a %s to ignore 0x%x", word, m->ignored_mask);
	return 0;
}

static int fanotify_settle(struct restore *r, const FileEntry *f, int fd, struct err *e)
{
	const FanotifyFileEntry *ffy = f->ffy;

	for (size_t i = ffy->n_mark; i-- > 0;) {
		own_fd place = -1;
		int got;

		if (open_place(r, ffy, i, &got, e) < 0)
			return e->code;
		place = got;
		if (mark(fd, ffy->mark[i], place, e) < 0) {
			err_hint(e, "the kernel at restore knows less than that of the dump, or "
				    "the user has too many marks (fs.fanotify.max_user_marks)");
			return e->code;
		}
	}
	return 0;
}

/* Most events come with a descriptor, which is for whoever reads them. */
static void take_out(int fd)
{
	_Alignas(struct fanotify_event_metadata) char buf[4096];
	int waiting;

	while (ioctl(fd, FIONREAD, &waiting) == 0 && waiting) {
		ssize_t left = read(fd, buf, sizeof(buf));
		const struct fanotify_event_metadata *m = (const void *)buf;

		if (left <= 0)
			return;
		for (; FAN_EVENT_OK(m, left); m = FAN_EVENT_NEXT(m, left))
			if (m->fd >= 0)
				close(m->fd);
	}
}

static void fanotify_done(struct restore *r)
{
	for (size_t i = 0; r->files && i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];

		if (f->entry->type == FD_TYPES__FANOTIFY && f->fd >= 0)
			take_out(f->fd);
	}
}

const struct fd_restore_kind fanotify_fd_restore_kind = {
	.name = "fd/fanotify",
	.type = FD_TYPES__FANOTIFY,
	.make = fanotify_make,
	.settle = fanotify_settle,
	.done = fanotify_done,
};
