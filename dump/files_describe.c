/*
 * What one descriptor is: its description found among those known, or recognised by a kind.
 *
 * The same description has the same mount and inode; among those, kcmp(KCMP_FILE) decides. As that gives an order,
 * descriptions are kept in a search tree, and 1,000 descriptors of one file cost 10 comparisons each; of more their addresses
 * are asked for at once (dump/files_told.c). Event counters all
 * have one inode, but each has a number of its own.
 * Position and flags are no part of the key: somebody outside of the tree may be changing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "dump/files.h"
#include "dump/files_table.h"
#include "dump/mounts.h"
#include "dump/ns.h"
#include "lib/bpf_files.h"
#include "lib/io.h"

enum { FDINFO_SIZE = 4096, LINK_SIZE = 4096 };

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

/* A node of the tree; made before it is known whether it is needed. */
struct known_file {
	struct files *files;
	uint64_t mnt_id, ino, event;
	uint64_t address; /* dump/files_told.c; 0: not known, of none */
	bool no_owner;	  /* it is known that nobody is */
	int pid, num;
	struct file *file;
};

static int compare(const void *va, const void *vb)
{
	const struct known_file *a = va, *b = vb;
	long r;

	if (a->mnt_id != b->mnt_id)
		return a->mnt_id < b->mnt_id ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	if (a->address)
		return a->address < b->address ? -1 : a->address > b->address;
	r = syscall(SYS_kcmp, a->pid, b->pid, KCMP_FILE, a->num, b->num);
	if (r < 0)
		a->files->compare_errno = errno;
	return r == 1 ? -1 : r == 2 ? 1 : 0;
}

static void pool_keeps_it(void *node)
{
	(void)node;
}

void files_forget(struct files *files)
{
	tdestroy(files->by_description, free);
	tdestroy(files->by_link, free);
	tdestroy(files->by_ghost, pool_keeps_it);
}

bool files_number(const char *fdinfo, const char *name, int base, uint64_t *ret)
{
	size_t size = strlen(name);

	for (const char *line = fdinfo; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, size) != 0 || line[size] != ':')
			continue;
		*ret = strtoull(line + size + 1, NULL, base);
		return true;
	}
	return false;
}

/* The kernel has made the whole text when it gives the first part, and makes it again for whoever opens it again. */
static int read_on(int fd, const char *begin, size_t have, char **ret, struct err *e)
{
	size_t size = have * 2;
	char *all = malloc(size + 1);
	ssize_t n = 1;

	if (!all)
		return err_sys(e, "memory for a text of %zu bytes", size);
	memcpy(all, begin, have);
	while (n > 0) {
		if (have == size) {
			char *more = realloc(all, size * 2 + 1);

			if (!more) {
				free(all);
				return err_sys(e, "memory for a text of %zu bytes", size * 2);
			}
			all = more;
			size *= 2;
		}
		n = read(fd, all + have, size - have);
		have += n > 0 ? n : 0;
	}
	if (n < 0) {
		free(all);
		return err_sys(e, "read on");
	}
	all[have] = 0;
	*ret = all;
	return 0;
}

/* A text that does not fill buf is all there is; longer ones are those of an epoll with many targets, or an inotify. */
static int read_fdinfo(const struct task *t, int num, char buf[FDINFO_SIZE], char **ret,
		       struct err *e)
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "fdinfo/%d", num);
	own_fd fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '/proc/%d/%s'", t->pid, path);
	n = read(fd, buf, FDINFO_SIZE);
	if (n < 0)
		return err_sys(e, "read '/proc/%d/%s'", t->pid, path);
	if (n == FDINFO_SIZE)
		return read_on(fd, buf, n, ret, e);
	buf[n] = 0;
	return 0;
}

static void read_owner(struct file *f, bool no_owner)
{
	struct f_owner_ex owner = { 0 };
	uid_t uids[2];
	int sig;

	f->fown = f->dump->files->no_owner;
	if (f->flags & O_PATH || no_owner || fcntl(f->fd, F_GETOWN_EX, &owner) < 0)
		return;
	sig = fcntl(f->fd, F_GETSIG);
	if (sig <= 0 && owner.pid == 0)
		return;
	f->fown = pool_new(&f->dump->pool, FownEntry);
	fown_entry__init(f->fown);
	f->fown->signum = sig < 0 ? 0 : sig;
	f->fown->pid = owner.type == F_OWNER_PGRP ? ns_group_inside(f->dump, owner.pid) :
						    ns_pid_inside(f->dump, owner.pid);
	f->fown->pid_type = owner.type;
	/* A kernel that does not tell: then it was most likely the user that owns the process. */
	if (owner.pid && fcntl(f->fd, F_GETOWNER_UIDS, uids) == 0) {
		f->fown->uid = uids[0];
		f->fown->euid = uids[1];
	}
}

static int read_link(struct file *f, struct err *e)
{
	char name[16], text[LINK_SIZE + 1];
	ssize_t n;

	snprintf(name, sizeof(name), "%d", f->fd);
	n = readlinkat(f->dump->files->self_fd, name, text, LINK_SIZE);
	if (n < 0 && errno == ENAMETOOLONG) {
		err_code(e, ENAMETOOLONG,
			 "its path is longer than the kernel can tell (4095 bytes)");
		return err_hint(e, "move it up in the directory tree");
	}
	if (n < 0)
		return err_sys(e, "read where it leads");
	text[n] = 0;
	f->link = pool_text(&f->dump->pool, text);
	return 0;
}

static void recognise(struct file *f)
{
	for (size_t i = 0; i < fd_kind_count && !f->kind; i++)
		if (fd_kinds[i]->match && fd_kinds[i]->match(f))
			f->kind = fd_kinds[i];
}

static int look(struct file *f, bool no_owner, struct err *e)
{
	if (fstat(f->fd, &f->st) < 0)
		return err_sys(e, "stat");
	if (read_link(f, e) < 0)
		return e->code;
	read_owner(f, no_owner);
	return 0;
}

static int dump_file(struct file *f, struct err *e)
{
	struct dump *d = f->dump;

	f->id = files_new_id(d);
	f->entry = pool_new(&d->pool, FileEntry);
	file_entry__init(f->entry);
	f->entry->id = f->id;
	f->entry->type = f->kind->type;
	if (f->kind->dump(f, f->entry, e) < 0)
		return e->code;
	return files_put(d->files, f->entry, e);
}

/* One that is on its way is a descriptor of ours, which a link of /proc leads to as well. */
static void say_where(struct file *f, const struct known_file *key, const struct task *t)
{
	bool sent = key->pid != t->pid;

	f->kept = sent ? key->num : -1;
	f->num = sent ? -1 : key->num;
	f->where = sent ? pool_format(&f->dump->pool, "../%d/fd/%d", key->pid, key->num) :
			  pool_format(&f->dump->pool, "fd/%d", key->num);
}

static int add_file(struct known_file *key, const char *fdinfo, struct task *t, struct err *e)
{
	struct files *files = key->files;
	struct dump *d = files->dump;
	struct file *f = pool_new(&d->pool, struct file);
	own_fd copy = -1;
	uint64_t flags = 0;

	key->file = f;
	f->dump = d;
	f->task = t;
	say_where(f, key, t);
	f->fdinfo = pool_text(&d->pool, fdinfo);
	files_number(fdinfo, "pos", 10, &f->pos);
	files_number(fdinfo, "flags", 8, &flags);
	f->flags = flags & ~(uint64_t)O_CLOEXEC;
	f->mnt_id = key->mnt_id;
	if (files_copy(f, &copy, e) < 0)
		return e->code;
	f->fd = copy;
	if (look(f, key->no_owner, e) < 0)
		return files_blame(f, e);
	recognise(f);
	if (!f->kind)
		return files_refuse(f, e);
	if (dump_file(f, e) < 0)
		return files_blame(f, e);
	f->fd = -1;
	if (files->last)
		files->last->next = f;
	else
		files->first = f;
	files->last = f;
	return 0;
}

/* Finds the description of a number of ours or of a task, or adds it; which of the two says *ret_first. */
static int find_file(struct task *t, const struct known_file *like, const char *fdinfo,
		     struct descriptor *ret, struct err *e)
{
	struct files *files = t->dump->files;
	own_mem struct known_file *key = calloc(1, sizeof(*key));
	struct known_file **node;
	int pid = like->pid, num = like->num;
	const struct file_told *told;

	if (!key)
		return err_sys(e, "memory for fd %d of pid %d", num, pid);
	*key = (struct known_file){ .files = files, .pid = pid, .num = num };
	if (files_told(files, pid, num, &told, e) < 0)
		return e->code;
	if (told) {
		key->address = told->at;
		key->no_owner = !told->owner;
	}
	files_number(fdinfo, "mnt_id", 10, &key->mnt_id);
	files_number(fdinfo, "ino", 10, &key->ino);
	files_number(fdinfo, "eventfd-id", 10, &key->event);
	files->compare_errno = 0;
	node = tsearch(key, &files->by_description, compare);
	if (!node)
		return err_sys(e, "memory for fd %d of pid %d", num, pid);
	if (files->compare_errno) {
		if (*node == key)
			tdelete(key, &files->by_description, compare);
		errno = files->compare_errno;
		return err_sys(e, "compare fd %d of pid %d with others", num, pid);
	}
	ret->file = (*node)->file;
	ret->first = *node == key;
	if (!ret->first)
		return 0;
	take_mem(key); /* the tree's now */
	if (add_file(*node, fdinfo, t, e) < 0)
		return e->code;
	ret->file = (*node)->file;
	return 0;
}

int files_add_sent(struct task *t, int fd, struct file **ret, struct err *e)
{
	own_fd ours = fd;
	own_mem char *text = NULL;
	struct descriptor found;
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (io_slurp(AT_FDCWD, path, &text, NULL, e) < 0 ||
	    find_file(t, &(struct known_file){ .pid = getpid(), .num = fd }, text, &found, e) < 0)
		return err_on(e, "a descriptor in a message that waits in it");
	if (found.first)
		take_fd(&ours); /* compared with others to come */
	*ret = found.file;
	return 0;
}

/* Of all who have it, the one with the smallest pid restores what must be restored by one. */
static void choose_owner(struct file *f, struct task *t, int num)
{
	if (f->num >= 0 && t->pid >= f->task->pid)
		return;
	f->task = t;
	f->num = num;
	f->where = pool_format(&f->dump->pool, "fd/%d", num);
}

int files_describe(struct fd_table *table, struct descriptor *ret, struct err *e)
{
	char buf[FDINFO_SIZE];
	own_mem char *longer = NULL;
	struct known_file like;
	const struct file_told *told;
	uint64_t flags = 0;
	const char *text;

	if (files_told(table->task->dump->files, table->task->pid, ret->num, &told, e) < 0)
		return e->code;
	if (!(told && file_told_text(told, buf)) &&
	    read_fdinfo(table->task, ret->num, buf, &longer, e) < 0)
		return e->code;
	text = longer ? longer : buf;
	files_number(text, "flags", 8, &flags);
	ret->cloexec = flags & O_CLOEXEC;
	like = (struct known_file){ .pid = table->task->pid, .num = ret->num };
	if (find_file(table->task, &like, text, ret, e) < 0)
		return e->code;
	if (ret->file->num < 0) /* it was on its way to somebody */
		ret->first = true;
	choose_owner(ret->file, table->task, ret->num);
	for (size_t i = 0; i < fd_kind_count; i++)
		if (fd_kinds[i]->seen && fd_kinds[i]->seen(table, ret, text, e) < 0)
			return files_blame(ret->file, e);
	return 0;
}

/* --- files known by a link only --------------------------------------------------------------- */

struct known_link {
	dev_t dev;
	ino_t ino;
	const char *text;
	uint32_t id;
};

struct each_link {
	void (*fn)(dev_t dev, ino_t ino, uint32_t id, void *arg);
	void *arg;
};

static void visit(const void *node, VISIT which, void *closure)
{
	const struct known_link *link = *(struct known_link *const *)node;
	const struct each_link *each = closure;

	if (which == postorder || which == leaf)
		each->fn(link->dev, link->ino, link->id, each->arg);
}

void files_each_link(const struct files *files, void (*fn)(dev_t, ino_t, uint32_t id, void *arg),
		     void *arg)
{
	struct each_link each = { fn, arg };

	twalk_r(files->by_link, visit, &each);
}

static int compare_links(const void *va, const void *vb)
{
	const struct known_link *a = va, *b = vb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	if (a->ino != b->ino)
		return a->ino < b->ino ? -1 : 1;
	return strcmp(a->text, b->text);
}

static int add_link(struct file *f, uint32_t *ret, struct err *e)
{
	struct files *files = f->dump->files;
	own_mem struct known_link *key = calloc(1, sizeof(*key));
	struct known_link **node;

	if (!key)
		return err_sys(e, "memory for a file");
	*key = (struct known_link){ f->st.st_dev, f->st.st_ino, f->link, 0 };
	node = tsearch(key, &files->by_link, compare_links);
	if (!node)
		return err_sys(e, "memory for a file");
	if (*node == key) {
		take_mem(key); /* the tree's now */
		if (files_add_node(f, &(*node)->id, e) < 0)
			return e->code;
	}
	*ret = (*node)->id;
	return 0;
}

int files_add_link(struct task *t, const char *link, uint32_t *ret_id, struct err *e)
{
	struct file f = { .dump = t->dump, .task = t, .num = -1, .where = link };
	own_fd fd = openat(t->proc_fd, link, O_PATH | O_CLOEXEC);
	struct files *files;

	if (files_get(t->dump, &files, e) < 0)
		return e->code;
	if (fd < 0) {
		err_sys(e, "open it");
		return files_blame(&f, e);
	}
	f.fd = fd;
	f.flags = O_PATH;
	f.mnt_id = t->dump->mounts ? (int)mounts_id_of(fd) : -1;
	if (look(&f, true, e) < 0)
		return files_blame(&f, e);
	f.flags = 0; /* what the images have for files without a descriptor */
	/* A program that runs from a memfd has no file that could be opened again. */
	if (f.link[0] != '/' || strncmp(f.link, "/memfd:", 7) == 0)
		return files_refuse(&f, e);
	if (add_link(&f, ret_id, e) < 0)
		return files_blame(&f, e);
	return 0;
}
