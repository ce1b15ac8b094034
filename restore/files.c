/*
 * Descriptors of a restore. All descriptions are made here, in our own table; then each task fetches what it needs with
 * pidfd_getfd(2) and puts it under its number.
 *
 * A fetched descriptor gets the lowest free number. Numbers are filled in ascending order, so it is known
 * beforehand which one that will be; mostly it is the right one.
 */
#include "restore/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "restore/files_table.h"
#include "restore/load.h"
#include "restore/mounts.h"

/* Entries for one number; for the rest of a task. */
enum { PLACE_ROOM = 3, FS_ROOM = 7, ASYNC_ROOM = 1 };

int rfiles_blame(const struct rfile *f, struct err *e)
{
	if (!f->owner)
		return err_on(e, "file %u", f->id);
	return err_on(e, "fd %d (%s) of pid %d", f->number, f->kind->name + 3, f->owner->pid);
}

int rfiles_fd(const struct restore *r, uint32_t id)
{
	const struct rfile *f = rfiles_find(r, id);

	return f ? f->fd : -1;
}

int rfiles_here(const struct restore *r, int tid)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++)
			if (r->tasks[i]->threads[k].tid == tid)
				return r->tasks[i]->threads[k].here;
	return tid;
}

enum made_when rfiles_when_pid(const struct restore *r, int tid)
{
	if (load_find(r, tid))
		return MADE_TREE;
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 1; k < r->tasks[i]->thread_count; k++)
			if (r->tasks[i]->threads[k].tid == tid)
				return MADE_THREADS;
	return MADE_FIRST;
}

static void decide_when(struct restore *r)
{
	for (size_t i = 0; i < r->files->count; i++) {
		struct rfile *f = &r->files->files[i];

		if (f->kind && f->kind->when)
			f->when = f->kind->when(r, f->entry);
	}
}

/* together: of those kinds that are prepared when all others are made. */
static int make_files(struct restore *r, enum made_when when, bool together, struct err *e)
{
	if (r->files->made[when] && !together)
		return 0;
	r->files->made[when] = true;
	for (size_t i = 0; i < r->files->count; i++) {
		struct rfile *f = &r->files->files[i];

		if ((!f->owner && !f->sent) || f->fd >= 0 || f->when != when ||
		    (f->kind->prepare != NULL) != together)
			continue;
		if (f->kind->make(r, f->entry, &f->fd, e) < 0)
			return rfiles_blame(f, e);
	}
	return 0;
}

/* A table is shared with whoever a task is cloned by, or with nobody. */
static int check_sharers(const struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *t = r->tasks[i], *c = t->creator;

		if (!t->ids || !t->fs || rfiles_table(t) ||
		    (c && c->ids && c->ids->files_id == t->ids->files_id))
			continue;
		return err_code(e, ENOTSUP,
				"pid %d shares its descriptors with a process that it "
				"cannot be cloned by",
				t->pid);
	}
	return 0;
}

int rfiles_make(struct restore *r, struct err *e)
{
	if (check_sharers(r, e) < 0)
		return e->code;
	io_allow_descriptors();
	if (r->mounts) {
		r->files->root = fcntl(r->mounts->root->fd, F_DUPFD_CLOEXEC, 0);
		if (r->files->root < 0)
			return err_sys(e, "the root of the mount namespace");
	} else if (r->opt->root) {
		r->files->root = open(r->opt->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (r->files->root < 0)
			return err_sys(e, "open the root directory '%s'", r->opt->root);
	}
	decide_when(r);
	if (remaps_make(r, e) < 0 || make_files(r, MADE_FIRST, false, e) < 0)
		return e->code;
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->prepare && fd_restore_kinds[i]->prepare(r, e) < 0)
			return e->code;
	if (make_files(r, MADE_FIRST, true, e) < 0)
		return e->code;
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->made && fd_restore_kinds[i]->made(r, e) < 0)
			return err_on(e, "%s", fd_restore_kinds[i]->name + 3);
	return 0;
}

int rfiles_open(struct restore *r, uint32_t id, int open_flags, int *ret_fd, struct err *e)
{
	struct rfile *f = rfiles_find(r, id);
	int *fd;

	if (!f || !f->entry->reg)
		return err_say(e, "file %u is not in 'files.img', or has no path", id);
	fd = &f->opened[open_flags & O_PATH ? ACCESS_MODES - 1 : open_flags & O_ACCMODE];
	if (*fd < 0 && rfiles_open_path(r, f->entry->reg, open_flags, fd, e) < 0)
		return e->code;
	*ret_fd = *fd;
	return 0;
}

/* --- into the tasks --------------------------------------------------------------------------- */

const FdinfoEntry *rfiles_number(const struct rtable *table, uint32_t number)
{
	size_t low = 0, high = table ? table->count : 0;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (table->at[mid]->fd == number)
			return table->at[mid];
		if (table->at[mid]->fd < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct rtable *rfiles_table_of(const struct rtask *t)
{
	const struct rfiles *files = t->restore->files;

	for (size_t i = 0; t->ids && i < files->table_count; i++)
		if (files->tables[i].files_id == t->ids->files_id)
			return &files->tables[i];
	return NULL;
}

int rfiles_gap(const struct rtask *t, int from)
{
	const struct rtable *table = rfiles_table_of(t);

	while (rfiles_number(table, from) || from == t->helper_fd)
		from++;
	return from;
}

int rfiles_free_number(const struct rtask *t)
{
	const struct rtable *table = rfiles_table_of(t);
	int number = 0;

	while (rfiles_number(table, number))
		number++;
	return number;
}

struct placing {
	struct rtask *task;
	struct plan *plan;
	size_t next; /* of the table */
	int lowest; /* free number, before number 'next' is placed; the last ones go by -1, over what has left room */
	bool last; /* those that need threads */
};

static void find_lowest(struct placing *at, const struct rtable *table)
{
	size_t i = at->next;

	/* All below next are in place; those from there on are not. */
	while (at->lowest == at->task->helper_fd ||
	       (i > 0 && at->lowest <= (int)table->at[i - 1]->fd &&
		rfiles_number(table, at->lowest)))
		at->lowest++;
}

static void place(struct placing *at, struct rfile *f, const FdinfoEntry *entry)
{
	struct plan *p = at->plan;
	int number = entry->fd;
	uint64_t cloexec = entry->flags & FD_CLOEXEC ? O_CLOEXEC : 0;
	const char *words;
	int fetched;

	if (f->when == MADE_THREADS && !at->last) {
		plan_call(p, plan_words(p, "leave room for fd %d", number), SYS_dup3,
			  ARG(at->task->helper_fd), ARG(number), ARG(cloexec));
		return;
	}
	words = plan_words(p, "put fd %d (%s) in place", number, f->kind->name + 3);
	if (f->placed >= 0) {
		plan_call(p, words, SYS_dup3, ARG(f->placed), ARG(number), ARG(cloexec));
		return;
	}
	f->placed = number;
	fetched =
		plan_call(p, words, SYS_pidfd_getfd, ARG(at->task->helper_fd), ARG(f->fd), ARG(0));
	if (at->lowest != number) {
		plan_call(p, words, SYS_dup3, RESULT(fetched), ARG(number), ARG(cloexec));
		plan_call(p, words, SYS_close, RESULT(fetched));
	} else if (!cloexec) {
		/* A fetched descriptor is close-on-exec. The number is not RESULT: it must be this one. */
		plan_call(p, words, SYS_fcntl, ARG(number), ARG(F_SETFD), ARG(0));
	}
}

static int install_table(struct rtask *t, const struct rtable *table, struct plan *p, struct err *e)
{
	struct restore *r = t->restore;
	struct placing at = { .task = t, .plan = p };

	for (size_t i = 0; i < r->files->count; i++)
		r->files->files[i].placed = -1;
	for (; at.next < table->count; at.next++) {
		const FdinfoEntry *entry = table->at[at.next];
		struct rfile *f = rfiles_find(r, entry->id);

		if ((int)entry->fd == t->helper_fd)
			return err_say(e, "fd %u of pid %d is in use", entry->fd, t->pid);
		find_lowest(&at, table);
		place(&at, f, entry);
	}
	return 0;
}

/* Sharers are clones of each other. */
static bool has_fs(const struct rtask *t)
{
	return t->fs && t->ids &&
	       !(t->creator && t->creator->ids && t->creator->ids->fs_id == t->ids->fs_id);
}

static int fetch_directory(struct rtask *t, uint32_t id, struct plan *p, struct err *e)
{
	int fd = -1;

	if (rfiles_open(t->restore, id, O_PATH | O_DIRECTORY, &fd, e) < 0)
		return e->code;
	return plan_call(p, "fetch a directory", SYS_pidfd_getfd, ARG(t->helper_fd), ARG(fd),
			 ARG(0));
}

static bool is_our_root(const struct rtask *t)
{
	const FileEntry *root = rfiles_entry(t->restore, t->fs->root_id);

	return t->restore->files->root < 0 && strcmp(root->reg->name, "/") == 0;
}

/* The root first: the way to it is not to be found from inside. */
static int install_fs(struct rtask *t, struct plan *p, struct err *e)
{
	int fd;

	if (!is_our_root(t)) {
		fd = fetch_directory(t, t->fs->root_id, p, e);
		if (fd < 0)
			return err_on(e, "the root directory of pid %d", t->pid);
		plan_call(p, "go to the root directory", SYS_fchdir, RESULT(fd));
		plan_call(p, "change the root directory", SYS_chroot,
			  DATA(p, plan_copy(p, ".", 2)));
		plan_call(p, "close the root directory", SYS_close, RESULT(fd));
	}
	fd = fetch_directory(t, t->fs->cwd_id, p, e);
	if (fd < 0)
		return err_on(e, "the current directory of pid %d", t->pid);
	plan_call(p, "go to the current directory", SYS_fchdir, RESULT(fd));
	plan_call(p, "close the current directory", SYS_close, RESULT(fd));
	if (t->fs->has_umask)
		plan_call(p, "set the umask", SYS_umask, ARG(t->fs->umask));
	return 0;
}

int rfiles_install(struct rtask *t, struct plan *p, struct err *e)
{
	struct restore *r = t->restore;
	const struct rtable *table = rfiles_table(t);

	if (make_files(r, MADE_TREE, false, e) < 0)
		return e->code;
	if (table && install_table(t, table, p, e) < 0)
		return e->code;
	return has_fs(t) ? install_fs(t, p, e) : 0;
}

int rfiles_install_last(struct rtask *t, struct plan *p, struct err *e)
{
	struct restore *r = t->restore;
	const struct rtable *table = rfiles_table(t);
	struct placing at = { .task = t, .plan = p, .lowest = -1, .last = true };

	if (make_files(r, MADE_THREADS, false, e) < 0)
		return e->code;
	for (size_t i = 0; table && i < table->count; i++)
		rfiles_find(r, table->at[i]->id)->placed = -1;
	for (size_t i = 0; table && i < table->count; i++) {
		struct rfile *f = rfiles_find(r, table->at[i]->id);

		if (f->when == MADE_THREADS)
			place(&at, f, table->at[i]);
	}
	return 0;
}

uint32_t rfiles_room(const struct rtask *t)
{
	const struct rtable *table = rfiles_table(t);
	uint32_t room = FS_ROOM;

	for (size_t i = 0; table && i < table->count; i++) {
		const struct rfile *f = rfiles_find(t->restore, table->at[i]->id);

		room += PLACE_ROOM + ASYNC_ROOM;
		if (f->owner == t && f->number == (int)table->at[i]->fd && f->kind->room)
			room += f->kind->room(f->entry);
	}
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->task_room)
			room += fd_restore_kinds[i]->task_room(t);
	return room;
}
