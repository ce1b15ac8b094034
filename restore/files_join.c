/*
 * What has to be done with descriptors once they are in place: by the task that owns a description (of those that have it,
 * the one with the smallest pid), or by us from outside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "restore/files_table.h"
#include "restore/load.h"
#include "restore/ns.h"

/* The entry of the file that a named pipe is: it has the flags and the owner. */
static const FileEntry *with_flags(const struct restore *r, const FileEntry *f)
{
	const FileEntry *node;

	if (f->type != FD_TYPES__FIFO)
		return f;
	node = f->fifo->has_regf_id ? rfiles_entry(r, f->fifo->regf_id) : NULL;
	return node ? node : f;
}

typedef int (*part_fn)(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e);

static part_fn part_of(const struct fd_restore_kind *kind, bool late)
{
	return late ? kind->late : kind->join;
}

static int for_owned(struct rtask *t, bool late, struct plan *p, struct err *e)
{
	const struct rtable *table = rfiles_table(t);

	for (size_t i = 0; table && i < table->count; i++) {
		struct rfile *f = rfiles_find(t->restore, table->at[i]->id);
		int fd = table->at[i]->fd;
		part_fn part = part_of(f->kind, late);

		if (f->owner != t || f->number != fd)
			continue;
		if (part && part(t, f->entry, fd, p, e) < 0)
			return rfiles_blame(f, e);
		/* By number, since the number comes with the signal. Everything that is to be there has come. */
		if (!late && rfiles_entry_flags(with_flags(t->restore, f->entry)) & O_ASYNC)
			plan_call(p, plan_words(p, "ask for signals of fd %d", fd), SYS_fcntl,
				  ARG(fd), ARG(F_SETFL), ARG(fcntl(f->fd, F_GETFL) | O_ASYNC));
	}
	return 0;
}

int rfiles_join(struct rtask *t, struct plan *p, struct err *e)
{
	if (for_owned(t, false, p, e) < 0)
		return e->code;
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->task && fd_restore_kinds[i]->task(t, p, e) < 0)
			return err_on(e, "%s of pid %d", fd_restore_kinds[i]->name + 3, t->pid);
	return 0;
}

int rfiles_late(struct rtask *t, struct plan *p, struct err *e)
{
	return for_owned(t, true, p, e);
}

/* The number by which we find it, 0: it is not in the tree. */
static int find_owner(const struct restore *r, const FownEntry *fown)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *t = r->tasks[i];

		if (fown->pid_type == F_OWNER_PGRP && t->pgid == (int)fown->pid)
			return rns_is_own(r, NS_PID) ? getpgid(rtask_here(t)) : t->pgid;
		for (size_t k = 0; k < t->thread_count; k++)
			if (fown->pid_type != F_OWNER_PGRP && t->threads[k].tid == (int)fown->pid)
				return t->threads[k].here;
	}
	return 0;
}

/*
 * The kernel remembers who has set an owner and lets signals through as if that one sent them. So it is
 * set under those ids, by a process of its own: ours are not to be touched.
 */
static int set_owner_as(int fd, const FownEntry *fown, const struct f_owner_ex *owner)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (syscall(SYS_setresuid, fown->uid, fown->euid, -1) < 0 ||
		    fcntl(fd, F_SETOWN_EX, owner) < 0)
			_exit(errno);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int set_owner(const struct restore *r, const struct rfile *f, const FownEntry *fown,
		     struct err *e)
{
	struct f_owner_ex owner = { .type = fown->pid_type, .pid = find_owner(r, fown) };
	int res;

	if (fown->signum && fcntl(f->fd, F_SETSIG, fown->signum) < 0)
		return err_sys(e, "set its signal, %u", fown->signum);
	/* A process outside of the tree may be another one by now: it is not to get signals of ours. */
	if (!fown->pid || !owner.pid)
		return 0;
	if (fown->uid == getuid() && fown->euid == geteuid())
		res = fcntl(f->fd, F_SETOWN_EX, &owner) < 0 ? -errno : 0;
	else
		res = set_owner_as(f->fd, fown, &owner);
	return res < 0 ? err_res(e, res, "set its owner, pid %u", fown->pid) : 0;
}

int rfiles_outside(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];
		const FownEntry *fown = f->fd < 0 ? NULL :
						    rfiles_entry_owner(with_flags(r, f->entry));

		if (fown && (fown->pid || fown->signum) && set_owner(r, f, fown, e) < 0)
			return rfiles_blame(f, e);
	}
	return 0;
}

int rfiles_settle(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];

		if (f->fd >= 0 && f->kind->settle && f->kind->settle(r, f->entry, f->fd, e) < 0)
			return rfiles_blame(f, e);
	}
	return 0;
}

/* Links are removed before the kinds' turn, since somebody may watch their directories. */
void rfiles_done(struct restore *r)
{
	remaps_done(r);
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->done)
			fd_restore_kinds[i]->done(r);
}

static void close_file(struct rfile *f)
{
	own_close(&f->fd);
	own_close(&f->path_fd);
	for (int i = 0; i < ACCESS_MODES; i++)
		own_close(&f->opened[i]);
	protobuf_c_message_free_unpacked(&f->entry->base, NULL);
	if (f->extra)
		protobuf_c_message_free_unpacked(&f->extra->base, NULL);
}

void rfiles_close(struct restore *r)
{
	struct rfiles *files = r->files;

	if (!files)
		return;
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->close)
			fd_restore_kinds[i]->close(r);
	remaps_close(r);
	for (size_t i = 0; i < files->count; i++)
		close_file(&files->files[i]);
	for (size_t i = 0; i < files->table_count; i++) {
		for (size_t k = 0; k < files->tables[i].count; k++)
			protobuf_c_message_free_unpacked(&files->tables[i].at[k]->base, NULL);
		free(files->tables[i].at);
	}
	free(files->tables);
	free(files->files);
	own_close(&files->root);
	r->files = NULL; /* the struct itself is the pool's */
}
