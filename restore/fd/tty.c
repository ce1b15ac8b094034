/*
 * Terminals: the ends of ptys whose master is in the tree, /dev/tty, and those that come from outside: the one
 * that we run in for a shell job, or what --inherit-fd gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/ttys.h"

enum { TASK_ROOM = 4, KERNEL_O_LARGEFILE = 0100000 };

/* --- reading the images ----------------------------------------------------------------------- */

static bool is_master(const TtyInfoEntry *info)
{
	return info->type == TTY_TYPE__PTY && info->id % 2 == 1;
}

static int load_all(struct restore *r, enum image_kind kind, void *array, size_t *count,
		    struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, kind, 0, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
		return 0;
	}
	for (;;) {
		own_message ProtobufCMessage *m = NULL;

		got = image_read(&img, image_info(kind)->first, &m, e);
		if (got <= 0)
			return got;
		if (io_grow(array, *count, sizeof(m), e) < 0)
			return e->code;
		(*(ProtobufCMessage ***)array)[(*count)++] = take_mem(m);
	}
}

static int add_pty(struct rttys *ttys, const TtyInfoEntry *info, struct rpty **ret, struct err *e)
{
	if (io_grow(&ttys->ptys, ttys->pty_count, sizeof(*ttys->ptys), e) < 0)
		return e->code;
	*ret = &ttys->ptys[ttys->pty_count++];
	**ret = (struct rpty){ .index = info->pty->index, .master = -1, .slave = -1 };
	return 0;
}

static int find_ptys(struct rttys *ttys, struct err *e)
{
	for (size_t i = 0; i < ttys->info_count; i++) {
		const TtyInfoEntry *info = ttys->infos[i];
		struct rpty *pty;

		if (info->type == TTY_TYPE__PTY && !info->pty)
			return err_say(e, "'tty-info.img' has a pty without a number");
		if (!is_master(info))
			continue;
		if (add_pty(ttys, info, &pty, e) < 0)
			return e->code;
		pty->master_info = info;
		for (size_t k = 0; k < ttys->info_count; k++)
			if (ttys->infos[k]->id == info->id - 1 && ttys->infos[k]->termios)
				pty->slave_info = ttys->infos[k];
	}
	return 0;
}

static int find_orphans(const struct restore *r, struct err *e)
{
	struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; i < ttys->info_count && r->opt->orphan_pts_master; i++) {
		const TtyInfoEntry *info = ttys->infos[i];
		struct rpty *pty;

		if (info->type != TTY_TYPE__PTY || !info->termios || is_master(info) ||
		    rttys_find(r, info->pty->index))
			continue;
		if (add_pty(ttys, info, &pty, e) < 0)
			return e->code;
		pty->slave_info = info;
		pty->orphan = true;
	}
	return 0;
}

static int check_files(const struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		const FileEntry *f = r->files->files[i].entry;

		if (f->type == FD_TYPES__TTY && !rttys_info(r, f->tty->tty_info_id))
			return err_say(e,
				       "file %u is of the terminal %u, which is not in "
				       "'tty-info.img'",
				       f->id, f->tty->tty_info_id);
	}
	return 0;
}

static int tty_load(struct restore *r, struct err *e)
{
	struct rttys *ttys = pool_new(&r->pool, struct rttys);

	r->files->ttys = ttys;
	if (load_all(r, IMG_TTY_INFO, &ttys->infos, &ttys->info_count, e) < 0 ||
	    load_all(r, IMG_TTY_DATA, &ttys->data, &ttys->data_count, e) < 0 ||
	    find_ptys(ttys, e) < 0 || find_orphans(r, e) < 0)
		return e->code;
	return check_files(r, e);
}

/* --- opening ---------------------------------------------------------------------------------- */

static const RegFileEntry *node_of(const struct restore *r, const TtyFileEntry *tty)
{
	const FileEntry *node = tty->has_regf_id ? rfiles_entry(r, tty->regf_id) : NULL;

	return node ? node->reg : NULL;
}

static int open_flags(const TtyFileEntry *tty)
{
	return rfiles_open_flags(tty->flags) | O_NOCTTY;
}

static int make_master(struct restore *r, const TtyFileEntry *tty, const TtyInfoEntry *info,
		       int *ret_fd, struct err *e)
{
	struct rpty *pty = rttys_find(r, info->pty->index);
	const RegFileEntry *node = node_of(r, tty);
	own_fd fd = -1;

	if (pty->master_given)
		return err_say(e, "the master %u is open twice, which cannot be", pty->index);
	if (rttys_make(r, pty, node ? node->name : "/dev/ptmx", e) < 0)
		return e->code;
	fd = fcntl(pty->master, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "copy the master");
	if (tty->flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "set its flags");
	pty->master_given = true;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The kernel would keep O_CLOEXEC among the flags of the description. */
static int open_peer(int master, int flags)
{
	int fd = ioctl(master, TIOCGPTPEER, flags);

	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/*
 * By its own path, if that is still the same terminal; else as the master's other end, whatever it is called. So it is
 * too if it was opened that way (TIOCGPTPEER), which shows by O_LARGEFILE not being set.
 */
static int open_slave(struct restore *r, const TtyFileEntry *tty, const struct rpty *pty)
{
	const RegFileEntry *node = node_of(r, tty);
	struct stat wanted, found;
	int fd = -1;

	if (node && tty->flags & KERNEL_O_LARGEFILE)
		fd = rfiles_path_open(r, node->name, open_flags(tty));
	if (fd >= 0 && fstat(pty->slave, &wanted) == 0 && fstat(fd, &found) == 0 &&
	    found.st_rdev == wanted.st_rdev && found.st_dev == wanted.st_dev)
		return fd;
	own_close(&fd);
	return open_peer(pty->master, open_flags(tty));
}

/* Of the same devpts as the terminal. */
static const char *ptmx_of(struct restore *r, const RegFileEntry *node, const struct rpty *pty)
{
	const char *slash = node && pty->orphan ? strrchr(node->name, '/') : NULL;

	return slash ? pool_format(&r->pool, "%.*s/ptmx", (int)(slash - node->name), node->name) :
		       "/dev/ptmx";
}

static int make_slave(struct restore *r, const TtyFileEntry *tty, struct rpty *pty, int *ret_fd,
		      struct err *e)
{
	const RegFileEntry *node = node_of(r, tty);
	own_fd fd = -1;

	if (rttys_make(r, pty, ptmx_of(r, node, pty), e) < 0)
		return e->code;
	fd = open_slave(r, tty, pty);
	if (fd < 0)
		return err_sys(e, "open the other end of the pty");
	if (node && node->has_mode && fchmod(fd, node->mode & 0777) < 0)
		return err_sys(e, "set the mode of the terminal");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Its master was closed: so it is opened and its master closed. */
static int make_hung_up(struct restore *r, const TtyFileEntry *tty, int *ret_fd, struct err *e)
{
	own_fd master = -1;
	int unlock = 0, fd, got;

	if (rttys_open_master(r, "/dev/ptmx", RTTYS_ANY, &got, e) < 0)
		return e->code;
	master = got;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "unlock the pty");
	fd = open_peer(master, open_flags(tty));
	if (fd < 0)
		return err_sys(e, "open the other end of the pty");
	*ret_fd = fd;
	return 0;
}

/* The terminal that we run in stands for the one of the shell job. */
static int make_job(struct restore *r, const TtyFileEntry *tty, const TtyInfoEntry *info,
		    int *ret_fd, struct err *e)
{
	struct rttys *ttys = r->files->ttys;
	sigset_t stop, before;
	int ours = 0, res;

	if (!r->opt->shell_job) {
		err_say(e, "its terminal was the one that the job had been started from");
		return err_hint(e, "use --shell-job to give it the terminal of this shell");
	}
	while (ours < 3 && !isatty(ours))
		ours++;
	if (ours == 3 || info->type == TTY_TYPE__CTTY) {
		*ret_fd = rfiles_path_open(r, "/dev/tty", open_flags(tty));
		if (*ret_fd < 0) {
			err_res(e, *ret_fd, "open '/dev/tty'");
			return err_hint(e, "run the restore in a terminal");
		}
	} else if (rfiles_reopen(ours, open_flags(tty), ret_fd, e) < 0) {
		return e->code;
	}
	if (ttys->job_set)
		return 0;
	/* Blocked, or it would stop us when we are in the background. */
	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stop, &before);
	res = rttys_set(*ret_fd, info->termios, TCSETS, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	ttys->job_set = res == 0;
	return res;
}

static bool is_of_session(const TtyInfoEntry *info, uint32_t sid)
{
	return info && info->sid == sid;
}

/* /dev/tty: of the pty that it was, or of the one that controls the same session. */
static int make_own(struct restore *r, const TtyFileEntry *tty, const TtyInfoEntry *info,
		    int *ret_fd, struct err *e)
{
	const struct rttys *ttys = r->files->ttys;
	struct rpty *pty = info->pty ? rttys_find(r, info->pty->index) : NULL;

	for (size_t i = 0; i < ttys->pty_count && !pty && info->sid; i++)
		if (is_of_session(ttys->ptys[i].master_info, info->sid) ||
		    is_of_session(ttys->ptys[i].slave_info, info->sid))
			pty = &ttys->ptys[i];
	if (!pty)
		return make_job(r, tty, info, ret_fd, e);
	if (rttys_make(r, pty, "/dev/ptmx", e) < 0)
		return e->code;
	if (pty->slave < 0)
		return err_say(e, "the pty %u has no other end", pty->index);
	return rttys_open_own(pty->slave, rfiles_open_flags(tty->flags), ret_fd, e);
}

static int make_pty(struct restore *r, const TtyFileEntry *tty, const TtyInfoEntry *info,
		    int *ret_fd, struct err *e)
{
	struct rpty *pty = rttys_find(r, info->pty->index);

	if (is_master(info))
		return make_master(r, tty, info, ret_fd, e);
	if (!info->termios)
		return make_hung_up(r, tty, ret_fd, e);
	return pty ? make_slave(r, tty, pty, ret_fd, e) : make_job(r, tty, info, ret_fd, e);
}

static int tty_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const TtyInfoEntry *info = rttys_info(r, f->tty->tty_info_id);
	char key[64];

	snprintf(key, sizeof(key), "tty[%x:%x]", info->rdev, info->dev);
	if (rfiles_inherited(r, key, f->tty->flags & O_ACCMODE, ret_fd, e) < 0)
		return e->code;
	if (*ret_fd >= 0)
		return 0;
	switch (info->type) {
	case TTY_TYPE__PTY:
		return make_pty(r, f->tty, info, ret_fd, e);
	case TTY_TYPE__CTTY:
		return make_own(r, f->tty, info, ret_fd, e);
	case TTY_TYPE__EXT_TTY:
		err_say(e, "it is a terminal from outside of the tree");
		return err_hint(e, "give one with --inherit-fd 'fd[N]:%s'", key);
	default:
		return make_job(r, f->tty, info, ret_fd, e);
	}
}

/* --- the controlling terminal ----------------------------------------------------------------- */

/* Our descriptor of the terminal that controls the session which the task leads; -1: it has none. */
static int controlling(const struct rtask *t, const TtyInfoEntry **ret)
{
	const struct restore *r = t->restore;
	const struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; i < ttys->info_count && t->pid == t->sid; i++) {
		const TtyInfoEntry *info = ttys->infos[i];
		const struct rpty *pty = info->pty ? rttys_find(r, info->pty->index) : NULL;

		if ((int)info->sid != t->sid)
			continue;
		*ret = info;
		if (pty && pty->slave >= 0)
			return pty->slave;
		for (size_t k = 0; k < r->files->count; k++) {
			const struct rfile *f = &r->files->files[k];

			if (f->entry->type == FD_TYPES__TTY && f->fd >= 0 &&
			    f->entry->tty->tty_info_id == info->id)
				return f->fd;
		}
	}
	return -1;
}

static bool has_group(const struct rtask *t, uint32_t pgrp)
{
	const struct restore *r = t->restore;

	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->pgid == (int)pgrp && r->tasks[i]->sid == t->sid)
			return true;
	return false;
}

static int fetch_controlling(const struct rtask *t, struct plan *p, const TtyInfoEntry **ret)
{
	int ours = controlling(t, ret);

	return ours < 0 ? -1 :
			  plan_call(p, "fetch the controlling terminal", SYS_pidfd_getfd,
				    ARG(t->helper_fd), ARG(ours), ARG(0));
}

void rfiles_session(struct rtask *t, struct plan *p)
{
	const TtyInfoEntry *info;
	int fd = fetch_controlling(t, p, &info);

	if (fd < 0)
		return;
	plan_call(p, "make it the controlling terminal", SYS_ioctl, RESULT(fd), ARG(TIOCSCTTY),
		  ARG(0));
	plan_call(p, "close the controlling terminal", SYS_close, RESULT(fd));
}

/* The group in the foreground, now that all groups are there. */
static int tty_task(struct rtask *t, struct plan *p, struct err *e)
{
	const TtyInfoEntry *info = NULL;
	int32_t *pgrp;
	int fd;

	(void)e;
	if (controlling(t, &info) < 0 || !info->pgrp || (int)info->pgrp == t->pgid ||
	    !has_group(t, info->pgrp))
		return 0;
	fd = fetch_controlling(t, p, &info);
	pgrp = plan_copy(p, &info->pgrp, sizeof(info->pgrp));
	plan_call(p, "set the terminal's foreground group", SYS_ioctl, RESULT(fd), ARG(TIOCSPGRP),
		  DATA(p, pgrp));
	plan_call(p, "close the controlling terminal", SYS_close, RESULT(fd));
	return 0;
}

static uint32_t tty_task_room(const struct rtask *t)
{
	return t->pid == t->sid ? TASK_ROOM : 0;
}

static void tty_close(struct restore *r)
{
	struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; ttys && i < ttys->info_count; i++)
		protobuf_c_message_free_unpacked(&ttys->infos[i]->base, NULL);
	for (size_t i = 0; ttys && i < ttys->data_count; i++)
		protobuf_c_message_free_unpacked(&ttys->data[i]->base, NULL);
	for (size_t i = 0; ttys && i < ttys->pty_count; i++) {
		own_close(&ttys->ptys[i].slave);
		own_close(&ttys->ptys[i].master);
	}
	if (ttys) {
		free(ttys->infos);
		free(ttys->data);
		free(ttys->ptys);
	}
	r->files->ttys = NULL;
}

const struct fd_restore_kind tty_fd_restore_kind = {
	.name = "fd/tty",
	.type = FD_TYPES__TTY,
	.load = tty_load,
	.make = tty_make,
	.made = rttys_finish,
	.task = tty_task,
	.task_room = tty_task_room,
	.close = tty_close,
};
