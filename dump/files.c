/*
 * Descriptors of the tasks, read from outside: the list and what is particular to a number come from
 * /proc/PID/fdinfo, the rest from a copy that pidfd_getfd(2) makes. The copy shares position and queue
 * with the target's, so it is only ever looked at. One copy is open at a time.
 *
 * Threads with a table, root or current directory of their own (unshare(2)) are refused.
 */
#include "dump/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "dump/files_table.h"
#include "dump/ns.h"
#include "images/image.h"
#include "lib/bpf_files.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/netlink.h"
#include "lib/proc.h"

int files_get(struct dump *d, struct files **ret, struct err *e)
{
	struct files *files = d->files;

	if (!files) {
		files = pool_new(&d->pool, struct files);
		files->dump = d;
		files->no_owner = pool_new(&d->pool, FownEntry);
		fown_entry__init(files->no_owner);
		files->self_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (files->self_fd < 0)
			return err_sys(e, "open '/proc/self/fd'");
		d->files = files;
		files_told_begin(files);
	}
	*ret = files;
	return 0;
}

uint32_t files_new_id(struct dump *d)
{
	return ++d->files->last_id;
}

FileExtraEntry *files_extra(struct file *f)
{
	if (!f->extra) {
		f->extra = pool_new(&f->dump->pool, FileExtraEntry);
		file_extra_entry__init(f->extra);
		f->extra->id = f->id;
	}
	return f->extra;
}

int files_put(struct files *files, FileEntry *entry, struct err *e)
{
	if (io_grow(&files->entries, files->entry_count, sizeof(*files->entries), e) < 0)
		return e->code;
	files->entries[files->entry_count++] = entry;
	return 0;
}

uint32_t files_add_entry(struct dump *d, FileEntry *entry)
{
	struct err e = { 0 };
	struct files *files;

	if (files_get(d, &files, &e) == 0) {
		entry->id = files_new_id(d);
		if (files_put(files, entry, &e) == 0)
			return entry->id;
	}
	/* As with the pool: the guardian lets the target go. */
	log_error("%s", e.text);
	exit(1);
}

struct file *files_next(const struct dump *d, const struct fd_kind *kind, const struct file *after)
{
	struct file *f = after ? after->next : d->files ? d->files->first : NULL;

	while (f && f->kind != kind)
		f = f->next;
	return f;
}

int files_copy(const struct file *f, int *ret_fd, struct err *e)
{
	int fd = f->kept >= 0 ? fcntl(f->kept, F_DUPFD_CLOEXEC, 0) :
				(int)syscall(SYS_pidfd_getfd, f->task->pidfd, f->num, 0);

	if (fd < 0)
		return err_sys(e, "copy fd %d of pid %d", f->num, f->task->pid);
	*ret_fd = fd;
	return 0;
}

int files_blame(const struct file *f, struct err *e)
{
	int pid = f->task->pid;

	if (f->num >= 0 && f->kind)
		return err_on(e, "fd %d (%s) of pid %d", f->num, f->kind->name + 3, pid);
	if (f->num >= 0)
		return err_on(e, "fd %d of pid %d", f->num, pid);
	if (strcmp(f->where, "exe") == 0)
		return err_on(e, "the executable of pid %d", pid);
	if (strcmp(f->where, "cwd") == 0)
		return err_on(e, "the current directory of pid %d", pid);
	if (strcmp(f->where, "root") == 0)
		return err_on(e, "the root directory of pid %d", pid);
	return e->code; /* a mapping is named by whoever asks for it */
}

const struct fd_table *files_table(const struct task *t)
{
	for (const struct fd_table *table = t->dump->files->tables; table; table = table->next)
		if (table->id == t->ids->files_id)
			return table;
	return NULL;
}

bool files_has_thread(const struct dump *d, int tid)
{
	for (size_t i = 0; i < d->task_count; i++) {
		const struct task *t = d->tasks[i];

		if (t->pid == tid)
			return true;
		for (size_t k = 0; k < t->thread_count; k++)
			if (t->threads[k].tid == tid)
				return true;
	}
	return false;
}

static int by_number(const void *a, const void *b)
{
	return ((const struct descriptor *)a)->num - ((const struct descriptor *)b)->num;
}

const struct descriptor *files_descriptor(const struct fd_table *table, uint32_t number)
{
	struct descriptor key = { .num = number };

	return table->count ? bsearch(&key, table->at, table->count, sizeof(key), by_number) : NULL;
}

/* Threads share these with their leader unless one of them has called unshare(2). */
static int check_threads(const struct task *t, struct err *e)
{
	for (size_t i = 1; i < t->thread_count; i++) {
		int tid = t->threads[i].tid;
		long files = syscall(SYS_kcmp, t->pid, tid, KCMP_FILES, 0, 0);
		long fs = syscall(SYS_kcmp, t->pid, tid, KCMP_FS, 0, 0);

		if (files < 0 || fs < 0)
			return err_sys(e, "kcmp(%d, %d)", t->pid, tid);
		if (files || fs)
			return err_code(e, ENOTSUP,
					"thread %d of pid %d has %s of its own, which is not "
					"supported",
					tid, t->pid, files ? "descriptors" : "a current directory");
	}
	return 0;
}

/* The place of a task's table among those known, and whether it is known. kcmp: 0 equal, 1 less, 2 greater. */
static int find_table(const struct files *files, const struct task *t, size_t *ret, struct err *e)
{
	size_t low = 0, high = files->table_count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int pid = files->table_of[mid]->task->pid;
		long r = syscall(SYS_kcmp, t->pid, pid, KCMP_FILES, 0, 0);

		if (r < 0)
			return err_sys(e, "kcmp(%d, %d)", t->pid, pid);
		if (r == 0) {
			*ret = mid;
			return 1;
		}
		if (r == 1)
			high = mid;
		else
			low = mid + 1;
	}
	*ret = low;
	return 0;
}

static int add_table(struct files *files, struct task *t, size_t place, struct err *e)
{
	struct fd_table *table = pool_new(&files->dump->pool, struct fd_table);

	if (io_grow(&files->table_of, files->table_count, sizeof(*files->table_of), e) < 0)
		return e->code;
	memmove(&files->table_of[place + 1], &files->table_of[place],
		(files->table_count - place) * sizeof(*files->table_of));
	files->table_of[place] = table;
	files->table_count++;
	table->id = ++files->dump->ids.files;
	table->task = t;
	if (files->last_table)
		files->last_table->next = table;
	else
		files->tables = table;
	files->last_table = table;
	t->ids->files_id = table->id;
	return 0;
}

static int list_told(const struct file_told *all, size_t count, struct descriptor **ret,
		     struct err *e)
{
	*ret = calloc(count + 1, sizeof(**ret));
	if (!*ret)
		return err_sys(e, "memory for %zu descriptors", count);
	for (size_t i = 0; i < count; i++)
		(*ret)[i].num = all[i].num;
	return 0;
}

/* Ascending. */
static int list_numbers(const struct task *t, struct descriptor **ret, size_t *ret_count,
			struct err *e)
{
	own_mem struct descriptor *list = NULL;
	int fd = openat(t->proc_fd, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return err_sys(e, "open '/proc/%d/fdinfo'", t->pid);
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		if (io_grow(&list, n, sizeof(*list), e) < 0)
			return e->code;
		list[n++] = (struct descriptor){ .num = atoi(entry->d_name) };
	}
	if (errno)
		return err_sys(e, "list '/proc/%d/fdinfo'", t->pid);
	if (n)
		qsort(list, n, sizeof(*list), by_number);
	*ret = take_mem(list);
	*ret_count = n;
	return 0;
}

static int read_table(struct fd_table *table, struct err *e)
{
	own_mem struct descriptor *list = NULL;
	const struct file_told *told;
	size_t count = 0;

	if (files_told_all(table->task->dump->files, table->task->pid, &told, &count, e) < 0)
		return e->code;
	if (told ? list_told(told, count, &list, e) < 0 :
		   list_numbers(table->task, &list, &count, e) < 0)
		return e->code;
	table->at = pool_array(&table->task->dump->pool, struct descriptor, count + 1);
	for (size_t i = 0; i < count; i++) {
		table->at[i] = list[i];
		if (files_describe(table, &table->at[i], e) < 0)
			return e->code;
		table->count++;
	}
	return 0;
}

/* The restorer makes a shared table by CLONE_FILES, so it has to come down from parent to child. */
static int share_table(const struct files *files, struct task *t, size_t place, struct err *e)
{
	const struct fd_table *table = files->table_of[place];

	t->ids->files_id = table->id;
	if (t->parent && t->parent->ids && t->parent->ids->files_id == table->id)
		return 0;
	return err_code(e, ENOTSUP,
			"pid %d shares its descriptors with pid %d, which is not its parent; this "
			"is not supported",
			t->pid, table->task->pid);
}

static int read_fs(struct task *t, struct err *e)
{
	uint64_t mask;

	t->fs = pool_new(&t->dump->pool, FsEntry);
	fs_entry__init(t->fs);
	if (files_add_link(t, "cwd", &t->fs->cwd_id, e) < 0 ||
	    files_add_link(t, "root", &t->fs->root_id, e) < 0 ||
	    proc_status_number(t->proc_fd, "Umask", 8, &mask, e) < 0)
		return e->code;
	t->fs->has_umask = 1;
	t->fs->umask = mask;
	return 0;
}

int files_read_task(struct task *t, struct err *e)
{
	struct files *files;
	size_t place = 0;
	int known;

	if (files_get(t->dump, &files, e) < 0 || check_threads(t, e) < 0)
		return e->code;
	known = find_table(files, t, &place, e);
	if (known < 0)
		return known;
	if (known) {
		if (share_table(files, t, place, e) < 0)
			return e->code;
	} else if (add_table(files, t, place, e) < 0 || read_table(files->last_table, e) < 0) {
		return e->code;
	}
	return read_fs(t, e);
}

static int save_table(const struct dump *d, const struct fd_table *table, struct err *e)
{
	own_image img = {};

	if (image_create(&img, d->images, IMG_FDINFO, table->id, e) < 0)
		return e->code;
	for (size_t i = 0; i < table->count; i++) {
		const struct descriptor *at = &table->at[i];
		FdinfoEntry entry = FDINFO_ENTRY__INIT;

		entry.id = at->file->id;
		entry.flags = at->cloexec ? FD_CLOEXEC : 0;
		entry.type = at->file->kind->type;
		entry.fd = at->num;
		if (image_write(&img, &entry, e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

static int save_entries(const struct dump *d, struct err *e)
{
	own_image img = {};

	if (image_create(&img, d->images, IMG_FILES, 0, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->files->entry_count; i++)
		if (image_write(&img, d->files->entries[i], e) < 0)
			return e->code;
	return image_close(&img, e);
}

static int save_extra(const struct dump *d, struct err *e)
{
	own_image img = {};

	for (const struct file *f = d->files->first; f; f = f->next) {
		if (!f->extra)
			continue;
		if (!img.file && image_create(&img, d->images, IMG_FILE_EXTRA, 0, e) < 0)
			return e->code;
		if (image_write(&img, f->extra, e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

static int save_fs(const struct dump *d, struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->fs &&
		    image_save(d->images, IMG_FS, d->tasks[i]->inner, d->tasks[i]->fs, e) < 0)
			return e->code;
	return 0;
}

static int finish_kinds(void *dump, struct err *e)
{
	for (size_t i = 0; i < fd_kind_count; i++)
		if (fd_kinds[i]->finish && fd_kinds[i]->finish(dump, e) < 0)
			return e->code;
	return 0;
}

int files_save(struct dump *d, struct err *e)
{
	struct files *files;

	if (files_get(d, &files, e) < 0 || ns_visit(d, NS_NET, finish_kinds, d, e) < 0)
		return e->code;
	for (const struct fd_table *table = files->tables; table; table = table->next)
		if (save_table(d, table, e) < 0)
			return e->code;
	if (save_fs(d, e) < 0 || save_extra(d, e) < 0)
		return e->code;
	return save_entries(d, e);
}

void files_undo(struct dump *d)
{
	struct files *files = d->files;

	files_told_end(d);
	if (!files)
		return;
	d->files = NULL; /* the struct itself is the pool's */
	for (struct file *f = files->first; f; f = f->next)
		own_close(&f->kept);
	if (files->queues)
		image_drop(files->queues);
	files_forget(files);
	watch_forget(files);
	netlink_unix_free(files->unix_all, files->unix_count);
	free(files->entries);
	free(files->table_of);
	close(files->self_fd);
}
