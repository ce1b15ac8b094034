/*
 * inotify. Watches are added when all else is done and nothing of ours opens a file any more; what comes in all the same, from
 * removing the links of the dump, is taken out before the tree runs.
 *
 * Events that waited when the dump was made are not in the images. One IN_Q_OVERFLOW stands for them, which tells the program to
 * look for itself. The kernel makes it when a queue is full; so it is filled with events of a file of ours, and
 * emptied up to that one.
 */
#include "images/fd/inotify.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "restore/files_table.h"
#include "restore/watch.h"

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif

enum {
	EVENT_SIZE = sizeof(struct inotify_event),
	FILLING = 1000,
	FAR_WD = 0x40000000,
	COUNT_MAX = 1 << 20
};

static int inotify_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const InotifyFileEntry *ify = f->ify;
	int fd = inotify_init1(IN_CLOEXEC | (ify->flags & O_NONBLOCK ? IN_NONBLOCK : 0));

	(void)r;
	if (fd < 0) {
		err_sys(e, "inotify_init1");
		return e->code == -EMFILE ?
			       err_hint(e, "raise the sysctl fs.inotify.max_user_instances") :
			       e->code;
	}
	*ret_fd = fd;
	return 0;
}

static int by_wd(const void *va, const void *vb)
{
	const InotifyWdEntry *a = *(InotifyWdEntry *const *)va, *b = *(InotifyWdEntry *const *)vb;

	return a->wd < b->wd ? -1 : a->wd > b->wd;
}

static int add_watch(int fd, const InotifyWdEntry *wd, int place, struct err *e)
{
	/* Without an event in it, that there is none yet is something to ask for. */
	uint32_t mask = wd->mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
	char path[32];
	int got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	got = inotify_add_watch(fd, path, mask | IN_MASK_CREATE);
	if (got < 0 && errno == EEXIST)
		return err_say(e, "its watch %u is of a file that it watches already", wd->wd);
	if (got < 0) {
		err_sys(e, "add its watch %u", wd->wd);
		return e->code == -ENOSPC ?
			       err_hint(e, "raise the sysctl fs.inotify.max_user_watches") :
			       e->code;
	}
	if (got == (int)wd->wd)
		return 0;
	err_say(e, "its watch %u got the number %d", wd->wd, got);
	return err_hint(e, "the kernel needs CONFIG_CHECKPOINT_RESTORE");
}

static int watch_own(int fd, int *ret_wd)
{
	int file = memfd_create("stasis", MFD_CLOEXEC);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	*ret_wd = file < 0 ? -1 : inotify_add_watch(fd, path, IN_ATTRIB);
	return file;
}

/* Numbers are given in order, so watches of ours come and go until it is the turn of this one. */
static int count_up(int fd, uint32_t wd, struct err *e)
{
	for (uint32_t tries = 0; tries < COUNT_MAX; tries++) {
		int got;
		own_fd file = watch_own(fd, &got);

		if (file < 0 || got < 0)
			return err_sys(e, "count up to the number of its watch %u", wd);
		inotify_rm_watch(fd, got);
		if (got + 1 == (int)wd)
			return 0;
		if (got >= (int)wd)
			break;
	}
	err_code(e, ENOTSUP, "its watch cannot get the number %u", wd);
	return err_hint(e, "the kernel needs CONFIG_CHECKPOINT_RESTORE");
}

static int set_next(int fd, uint32_t wd, struct err *e)
{
	if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, wd) == 0)
		return 0;
	if (errno != ENOTTY)
		return err_sys(e, "choose the number of its watch %u", wd);
	return count_up(fd, wd, e);
}

static int inotify_settle(struct restore *r, const FileEntry *f, int fd, struct err *e)
{
	const InotifyFileEntry *ify = f->ify;
	uint32_t next = 1;

	if (ify->n_wd)
		qsort(ify->wd, ify->n_wd, sizeof(*ify->wd), by_wd);
	for (size_t i = 0; i < ify->n_wd; i++) {
		const InotifyWdEntry *wd = ify->wd[i];
		struct watch_place w = {
			ify->id, wd->wd, wd->s_dev, wd->i_ino, wd->f_handle,
		};
		own_fd place = -1;
		int got;

		if (wd->wd == 0 || wd->wd >= FAR_WD)
			return err_say(e, "'files.img' has a watch of the number %u", wd->wd);
		if (rwatch_open(r, &w, &got, e) < 0)
			return e->code;
		place = got;
		if ((wd->wd != next && set_next(fd, wd->wd, e) < 0) ||
		    add_watch(fd, wd, place, e) < 0)
			return e->code;
		next = wd->wd + 1;
	}
	return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static int waiting(int fd)
{
	int bytes;

	return ioctl(fd, FIONREAD, &bytes) < 0 ? 0 : bytes;
}

static void take_out(int fd, int leave)
{
	char buf[4096];
	int left;

	while ((left = waiting(fd) - leave) > 0) {
		/* Not less than the largest event, unless they are all of the same size. */
		size_t size = leave && left < (int)sizeof(buf) ? (size_t)left : sizeof(buf);

		if (read(fd, buf, size) <= 0)
			return;
	}
}

/* Two files by turns: an event that is like the last one is left out. */
static void fill(int fd, int a, int b)
{
	int before;

	do {
		before = waiting(fd);
		for (int i = 0; i < FILLING; i++)
			if (fchmod(a, 0600) < 0 || fchmod(b, 0600) < 0)
				return;
	} while (waiting(fd) > before);
}

static bool overflow(int fd, uint32_t next)
{
	int wd[2] = { -1, -1 };

	/* On a kernel where numbers can only be counted up, the next watch of the program has another one. */
	if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, FAR_WD) < 0 && errno != ENOTTY)
		return false;
	own_fd a = watch_own(fd, &wd[0]);
	own_fd b = watch_own(fd, &wd[1]);
	if (wd[0] >= 0 && wd[1] >= 0)
		fill(fd, a, b);
	/* In a queue that is full there is no place for the news of this. */
	for (int i = 0; i < 2; i++)
		if (wd[i] >= 0)
			inotify_rm_watch(fd, wd[i]);
	take_out(fd, wd[1] >= 0 ? EVENT_SIZE : 0);
	return wd[1] >= 0 && (ioctl(fd, INOTIFY_IOC_SETNEXTWD, next) == 0 || errno == ENOTTY);
}

static void inotify_done(struct restore *r)
{
	for (size_t i = 0; r->files && i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];
		const InotifyFileEntry *ify = f->entry->ify;
		const FileExtraEntry *x;

		if (f->entry->type != FD_TYPES__INOTIFY || f->fd < 0)
			continue;
		take_out(f->fd, 0);
		x = rfiles_extra(r, f->id);
		if (x && x->unread &&
		    !overflow(f->fd, ify->n_wd ? ify->wd[ify->n_wd - 1]->wd + 1 : 1))
			log_warn("file %u: events that waited to be read are lost, and the "
				 "program is not told",
				 f->id);
	}
}

const struct fd_restore_kind inotify_fd_restore_kind = {
	.name = "fd/inotify",
	.type = FD_TYPES__INOTIFY,
	.make = inotify_make,
	.settle = inotify_settle,
	.done = inotify_done,
	.close = rwatch_close,
};
