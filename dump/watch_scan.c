/*
 * Watched files of file systems that no handle leads into: directories are looked through for their numbers. First those
 * of --irmap-scan-path, then whole mounts of the file system. Programs that watch for IN_OPEN and IN_ACCESS see that,
 * so it is what comes last.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "dump/files_table.h"
#include "dump/mounts.h"
#include "dump/watch.h"
#include "lib/io.h"

#ifndef AT_HANDLE_FID
#define AT_HANDLE_FID AT_REMOVEDIR
#endif

enum { ENTRIES_MAX = 4000000 };

struct scan {
	struct dump *d;
	struct watched **w; /* sorted by inode */
	size_t count, left;
	size_t entries;
	char path[4096];
};

static int by_ino(const void *va, const void *vb)
{
	const struct watched *a = *(struct watched *const *)va, *b = *(struct watched *const *)vb;

	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

/* The first of this number. */
static size_t first_of(const struct scan *s, ino_t ino)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->w[mid]->ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The handle, where one can be had of the name as well; otherwise the device decides. */
static bool is_it(const struct watched *w, int dir, const char *name)
{
	struct {
		struct file_handle head;
		uint8_t bytes[MAX_HANDLE_SZ];
	} fh = { .head.handle_bytes = MAX_HANDLE_SZ };
	struct stat st;
	int mnt_id;

	if (w->handle->bytes && name_to_handle_at(dir, name, &fh.head, &mnt_id, AT_HANDLE_FID) == 0)
		return fh.head.handle_type == (int)w->handle->type &&
		       fh.head.handle_bytes == w->handle->bytes &&
		       memcmp(fh.head.f_handle, w->handle->handle, w->handle->bytes) == 0;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 &&
	       st.st_ino == w->ino && st.st_dev == makedev(w->dev >> 20, w->dev & 0xfffff);
}

/* An entry of the directory that path is, or (name ".") that directory. */
static void look_at(struct scan *s, ino_t ino, int dir, const char *name)
{
	for (size_t i = first_of(s, ino); i < s->count && s->w[i]->ino == ino; i++) {
		struct watched *w = s->w[i];

		if (w->found || !is_it(w, dir, name))
			continue;
		w->handle->path = strcmp(name, ".") == 0 ?
					  pool_text(&s->d->pool, *s->path ? s->path : "/") :
					  pool_format(&s->d->pool, "%s/%s", s->path, name);
		w->found = true;
		s->left--;
	}
}

static void scan_dir(struct scan *s, int fd, dev_t dev);

static void scan_below(struct scan *s, int dir, const char *name, dev_t dev)
{
	size_t size = strlen(s->path), more = strlen(name) + 1;
	struct stat st;

	if (size + more >= sizeof(s->path))
		return;
	own_fd fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != dev)
		return;
	s->path[size] = '/';
	memcpy(s->path + size + 1, name, more);
	scan_dir(s, take_fd(&fd), dev);
	s->path[size] = 0;
}

/* fd is taken over. */
static void scan_dir(struct scan *s, int fd, dev_t dev)
{
	own_dir dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		close(fd);
		return;
	}
	while (s->left && s->entries++ < ENTRIES_MAX && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
			continue;
		look_at(s, entry->d_ino, fd, name);
		if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			scan_below(s, fd, name, dev);
	}
}

/* The kernel makes up the files of these as they are asked for. */
static bool is_endless(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) < 0 || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC;
}

static void scan_from(struct scan *s, const char *path)
{
	own_fd fd = dmounts_walk(s->d, path, O_RDONLY | O_DIRECTORY | O_NOATIME);
	struct stat st;

	if (!s->left || fd < 0 || fstat(fd, &st) < 0 || is_endless(fd))
		return;
	snprintf(s->path, sizeof(s->path), "%s", strcmp(path, "/") == 0 ? "" : path);
	look_at(s, st.st_ino, fd, ".");
	scan_dir(s, take_fd(&fd), st.st_dev);
}

int watch_scan(struct dump *d, struct watched **w, size_t count, struct err *e)
{
	const struct string_list *paths = &d->opt->irmap_scan_paths;
	own_mem struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(e, "memory to look for watched files");
	*s = (struct scan){ .d = d, .w = w, .count = count, .left = count };
	qsort(w, count, sizeof(*w), by_ino);
	for (size_t i = 0; i < paths->count; i++)
		scan_from(s, paths->item[i]);
	for (size_t i = 0; i < count && s->left; i++) {
		const char *at;

		if (w[i]->found || (i && w[i]->dev == w[i - 1]->dev))
			continue;
		if (watch_filesystem(d, w[i]->dev, &at, e) < 0)
			return e->code;
		if (at)
			scan_from(s, at);
	}
	return 0;
}
