/*
 * Where watched inodes are found; see watch.h.
 *
 * The handle is opened as a mere place (O_PATH), which is no event for anybody; the kernel then tells the path that it knows
 * the inode by, which counts if it leads back to the inode. One that was removed, but is open in the tree, is
 * the file of that descriptor. One whose name has fallen out of the kernel's cache keeps its handle alone, which is good
 * for this file system only. File systems without handles (overlayfs, mostly) are looked through: dump/watch_scan.c.
 */
#include "dump/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dump/files_table.h"
#include "dump/mounts.h"
#include "images/image.h"
#include "lib/handles.h"
#include "lib/io.h"

enum { HANDLE_WORDS = FH_ENTRY_SIZES__min_entries };

/* An inode that the tree has open, or knows by a link. */
struct known_inode {
	dev_t dev;
	ino_t ino;
	uint32_t id;
};

struct watches {
	struct handles *handles;
	struct known_inode *known;
	size_t known_count;
	bool listed;
};

static dev_t outside_dev(uint32_t dev)
{
	return makedev(dev >> 20, dev & 0xfffff);
}

bool watch_number(const char *line, const char *name, uint64_t *ret)
{
	const char *end = line + strcspn(line, "\n"), *at = strstr(line, name);

	if (!at || at > end)
		return false;
	*ret = strtoull(at + strlen(name), NULL, 16);
	return true;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* By hand: sscanf would look for the end of the whole text each time. */
static bool parse_bytes(const char *hex, uint8_t *to, size_t size)
{
	for (size_t i = 0; i < size; i++, hex += 2) {
		int high = digit(hex[0]), low = high < 0 ? -1 : digit(hex[1]);

		if (low < 0)
			return false;
		to[i] = high << 4 | low;
	}
	return true;
}

/* An inode without a handle has none in its line. */
static bool parse_handle(const char *line, FhEntry *h)
{
	const char *hex = strstr(line, " f_handle:");
	uint64_t size, type;

	if (!watch_number(line, " fhandle-bytes:", &size))
		return true;
	if (size > HANDLE_WORDS * sizeof(uint64_t) || !hex ||
	    !watch_number(line, " fhandle-type:", &type))
		return false;
	h->bytes = size;
	h->type = type;
	return parse_bytes(hex + strlen(" f_handle:"), (uint8_t *)h->handle, size);
}

int watch_parse(const struct file *f, const char *line, struct watched *ret, struct err *e)
{
	struct pool *pool = &f->dump->pool;
	FhEntry *h = pool_new(pool, FhEntry);
	uint64_t dev;

	fh_entry__init(h);
	h->n_handle = HANDLE_WORDS;
	h->handle = pool_array(pool, uint64_t, HANDLE_WORDS);
	*ret = (struct watched){ .by = f, .handle = h };
	if (!watch_number(line, " ino:", &ret->ino) || !watch_number(line, " sdev:", &dev) ||
	    !parse_handle(line, h))
		return err_code(e, ENOTSUP, "what it watches is told in an unknown form");
	ret->dev = dev;
	return 0;
}

static int get(struct dump *d, struct watches **ret, struct err *e)
{
	struct files *files = d->files;

	if (!files->watches) {
		struct watches *w = pool_new(&d->pool, struct watches);

		if (handles_begin(&w->handles, e) < 0)
			return e->code;
		files->watches = w;
	}
	*ret = files->watches;
	return 0;
}

void watch_forget(struct files *files)
{
	if (!files->watches)
		return;
	handles_end(files->watches->handles);
	free(files->watches->known);
	files->watches = NULL;
}

/* --- files that the tree has ------------------------------------------------------------------ */

static int by_inode(const void *va, const void *vb)
{
	const struct known_inode *a = va, *b = vb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

struct listing {
	struct watches *w;
	struct err *e;
};

static void add_known(dev_t dev, ino_t ino, uint32_t id, void *arg)
{
	struct listing *l = arg;

	if (l->e->code || io_grow(&l->w->known, l->w->known_count, sizeof(*l->w->known), l->e) < 0)
		return;
	l->w->known[l->w->known_count++] = (struct known_inode){ dev, ino, id };
}

static int list_known(struct dump *d, struct watches *w, struct err *e)
{
	struct listing l = { w, e };

	if (w->listed)
		return 0;
	w->listed = true;
	for (const struct file *f = d->files->first; f; f = f->next)
		add_known(f->st.st_dev, f->st.st_ino, f->id, &l);
	files_each_link(d->files, add_known, &l);
	if (!e->code && w->known_count)
		qsort(w->known, w->known_count, sizeof(*w->known), by_inode);
	return e->code;
}

static int find_known(struct watches *all, struct watched *w, dev_t dev, ino_t ino, struct err *e)
{
	struct dump *d = w->by->dump;
	struct known_inode key = { dev, ino, 0 }, *found = NULL;
	FileExtraEntry *x;
	WatchedFile *file;

	if (list_known(d, all, e) < 0)
		return e->code;
	if (all->known_count)
		found = bsearch(&key, all->known, all->known_count, sizeof(key), by_inode);
	if (!found)
		return 0;
	x = files_extra((struct file *)w->by);
	if (!x->by_file) /* one for each watch is enough */
		x->by_file = pool_array(&d->pool, WatchedFile *, w->by->watch_count);
	file = pool_new(&d->pool, WatchedFile);
	watched_file__init(file);
	file->wd = w->number;
	file->file = found->id;
	x->by_file[x->n_by_file++] = file;
	w->found = true;
	return 0;
}

/* --- by their handles ------------------------------------------------------------------------- */

static bool take_path(struct watched *w, int fd, const struct stat *st, int mnt_id)
{
	char link[16], text[PATH_MAX];
	struct stat there;
	ssize_t n;

	snprintf(link, sizeof(link), "%d", fd);
	n = readlinkat(w->by->dump->files->self_fd, link, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	if (fstatat(AT_FDCWD, text, &there, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
	    there.st_dev != st->st_dev || there.st_ino != st->st_ino)
		return false;
	w->handle->path = pool_text(&w->by->dump->pool, text);
	w->handle->has_mnt_id = 1;
	w->handle->mnt_id = mnt_id;
	return true;
}

/* A tree with mounts of its own finds it in one of these. */
static bool in_its_mounts(struct watched *w, const struct handle *h, struct stat *ret)
{
	const char *path;
	size_t at = 0;

	if (!dmounts_by_handle(w->by->dump, h, &at, ret, &path))
		return false;
	w->handle->path = (char *)path;
	w->handle->has_mnt_id = 1;
	w->handle->mnt_id = w->by->dump->mounts->all[at - 1].line.id;
	return true;
}

/* *ret: what it is, as somebody else would find it; all zeros when no handle leads to it. */
static int by_handle(struct watches *all, struct watched *w, struct stat *ret)
{
	struct handle h = { .dev = w->dev,
			    .type = w->handle->type,
			    .size = w->handle->bytes,
			    .bytes = w->handle->handle };
	size_t at = 0;
	int fd;

	*ret = (struct stat){ 0 };
	w->found = in_its_mounts(w, &h, ret);
	while (!w->found && handles_open(all->handles, &h, &at, &fd) == 0) {
		struct stat st;

		/* A handle of old may lead to the inode that has the number now. */
		if (fstat(fd, &st) == 0) {
			*ret = st;
			w->found = take_path(w, fd, &st, handles_mount(all->handles, at - 1)->id);
		}
		close(fd);
	}
	return 0;
}

static int refuse(const struct watched *w, const struct stat *st, struct err *e)
{
	if (st->st_ino && st->st_nlink == 0) {
		err_code(
			e, ENOTSUP,
			"its watch %u is of a file that was removed, and that only somebody outside "
			"of the tree has open",
			w->number);
		return err_hint(e, "let the program remove the watch before the dump");
	}
	err_code(e, ENOTSUP, "the file of its watch %u (inode %lu on device %u:%u) is not found",
		 w->number, w->ino, w->dev >> 20, w->dev & 0xfffff);
	return err_hint(e, "--irmap-scan-path DIR says where to look for it");
}

static int find_one(struct watches *all, struct watched *w, bool *ret_scan, struct err *e)
{
	struct stat st;

	*ret_scan = false;
	by_handle(all, w, &st);
	if (w->found)
		return 0;
	if (find_known(all, w, st.st_ino ? st.st_dev : outside_dev(w->dev),
		       st.st_ino ? st.st_ino : w->ino, e) < 0)
		return e->code;
	if (w->found)
		return 0;
	if (st.st_ino && st.st_nlink == 0)
		return refuse(w, &st, e);
	w->found = st.st_ino && !w->by->dump->opt->force_irmap;
	*ret_scan = !w->found;
	return 0;
}

int watch_find(struct watched *w, size_t count, struct err *e)
{
	own_mem struct watched **left = NULL;
	struct watches *all = NULL;
	size_t n = 0;

	if (!count)
		return 0;
	if (get(w[0].by->dump, &all, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++) {
		bool scan;

		if (find_one(all, &w[i], &scan, e) < 0)
			return e->code;
		if (!scan)
			continue;
		if (io_grow(&left, n, sizeof(*left), e) < 0)
			return e->code;
		left[n++] = &w[i];
	}
	if (n && watch_scan(w[0].by->dump, left, n, e) < 0)
		return e->code;
	for (size_t i = 0; i < n; i++)
		if (!left[i]->found)
			return refuse(left[i], &(struct stat){ 0 }, e);
	return 0;
}

/* --- mounts ----------------------------------------------------------------------------------- */

static bool can_be_seen(const struct handle_mount *m)
{
	struct statx st;

	return statx(AT_FDCWD, m->at, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st) ==
		       0 &&
	       (int)st.stx_mnt_id == m->id;
}

/* The same among the mounts of the tree's own: of this number, or of this device. NULL: there is none that is not covered. */
static const char *of_the_tree(struct dump *d, uint32_t id, uint32_t dev)
{
	for (size_t i = 0; i < d->mounts->count; i++) {
		const struct mount_line *l = &d->mounts->all[i].line;
		own_fd fd = -1;

		if (l->id != id && l->dev != dev)
			continue;
		fd = dmounts_walk(d, l->at, O_PATH);
		if (fd >= 0 && mounts_id_of(fd) == l->id)
			return l->at;
	}
	return NULL;
}

int watch_mount(struct dump *d, int id, const char **ret, struct err *e)
{
	const struct handle_mount *m;
	struct watches *all = NULL;

	if (get(d, &all, e) < 0)
		return e->code;
	*ret = d->mounts ? of_the_tree(d, id, 0) : NULL;
	for (size_t i = 0; !d->mounts && (m = handles_mount(all->handles, i)); i++)
		if (m->id == id && can_be_seen(m))
			*ret = pool_text(&d->pool, m->at);
	return 0;
}

int watch_filesystem(struct dump *d, uint32_t dev, const char **ret, struct err *e)
{
	const struct handle_mount *m;
	struct watches *all = NULL;

	if (get(d, &all, e) < 0)
		return e->code;
	*ret = d->mounts ? of_the_tree(d, 0, dev) : NULL;
	for (size_t i = 0; !d->mounts && !*ret && (m = handles_mount(all->handles, i)); i++)
		if (m->dev == dev && can_be_seen(m))
			*ret = pool_text(&d->pool, m->at);
	return 0;
}
