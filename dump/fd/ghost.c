/*
 * Ghosts: files that are open or mapped and have no name any more. Their contents go into ghost-file-N.img,
 * data only: holes stay holes. The file is read through an opening of our own, so the target's position
 * is not touched.
 *
 * --ghost-limit bounds the room that a ghost's data take; --ghost-fiemap asks the file system for its extents and not
 * for the next data and hole, one by one.
 */
#include "images/fd/ghost.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "dump/files_table.h"
#include "images/image.h"

enum { CHUNKS_FROM = 12288, BUFFER_SIZE = 256 * 1024, EXTENTS = 64 };

struct ghost {
	dev_t dev;
	ino_t ino;
	uint32_t id;
};

/* A ghost being written. */
struct writing {
	struct image img;
	int fd; /* readable */
	uint64_t size;
	const char *name;
	char *buf;
};

static int copy_data(struct writing *w, uint64_t at, uint64_t end, struct err *e)
{
	while (at < end) {
		size_t want = end - at < BUFFER_SIZE ? end - at : BUFFER_SIZE;
		ssize_t n = pread(w->fd, w->buf, want, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", w->name);
		if (n == 0)
			return err_say(e, "'%s' became shorter while it was read", w->name);
		if (image_write_extra(&w->img, w->buf, n, e) < 0)
			return e->code;
		at += n;
	}
	return 0;
}

static int write_chunk(struct writing *w, uint64_t at, uint64_t end, struct err *e)
{
	GhostChunkEntry chunk = GHOST_CHUNK_ENTRY__INIT;

	if (end > w->size)
		end = w->size;
	if (at >= end)
		return 0;
	chunk.off = at;
	chunk.len = end - at;
	if (image_write(&w->img, &chunk, e) < 0)
		return e->code;
	return copy_data(w, at, end, e);
}

/* 1: the file system does not say. */
static int write_extents(struct writing *w, struct err *e)
{
	own_mem struct fiemap *map =
		calloc(1, sizeof(*map) + EXTENTS * sizeof(struct fiemap_extent));
	uint64_t at = 0;

	if (!map)
		return err_sys(e, "memory for the extents of '%s'", w->name);
	while (at < w->size) {
		map->fm_start = at;
		map->fm_length = w->size - at;
		map->fm_flags = FIEMAP_FLAG_SYNC; /* or data that is not on disk yet is left out */
		map->fm_extent_count = EXTENTS;
		if (ioctl(w->fd, FS_IOC_FIEMAP, map) < 0)
			return at == 0 ? 1 : err_sys(e, "extents of '%s'", w->name);
		for (unsigned int i = 0; i < map->fm_mapped_extents; i++) {
			const struct fiemap_extent *x = &map->fm_extents[i];

			at = x->fe_logical + x->fe_length;
			if (!(x->fe_flags & FIEMAP_EXTENT_UNWRITTEN) &&
			    write_chunk(w, x->fe_logical, at, e) < 0)
				return e->code;
		}
		if (map->fm_mapped_extents < EXTENTS)
			break;
	}
	return 0;
}

static int write_runs(struct writing *w, struct err *e)
{
	off_t data, hole = 0;

	for (;;) {
		data = lseek(w->fd, hole, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return err_sys(e, "find the data of '%s'", w->name);
		hole = lseek(w->fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_sys(e, "find the holes of '%s'", w->name);
		if (write_chunk(w, data, hole, e) < 0)
			return e->code;
	}
}

static int write_contents(struct file *f, struct writing *w, bool chunks, struct err *e)
{
	char buf[BUFFER_SIZE], path[32];
	own_fd fd = -1;
	int r = 1;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", f->link);
	w->fd = fd;
	w->buf = buf;
	if (!chunks)
		return copy_data(w, 0, w->size, e);
	if (f->dump->opt->ghost_fiemap)
		r = write_extents(w, e);
	return r == 1 ? write_runs(w, e) : r;
}

static int check_limit(const struct file *f, struct err *e)
{
	uint64_t bytes = f->st.st_blocks * 512UL, limit = f->dump->opt->ghost_limit;

	if (!S_ISREG(f->st.st_mode) || bytes <= limit)
		return 0;
	err_code(e, EFBIG,
		 "'%s' has no name and holds %lu bytes, more than the %lu of --ghost-limit",
		 f->link, bytes, limit);
	return err_hint(e, "raise --ghost-limit to store its contents in the images");
}

static int fill_entry(struct file *f, GhostFileEntry *g, struct err *e)
{
	const struct stat *st = &f->st;
	char target[4096];
	ssize_t n;

	g->uid = st->st_uid;
	g->gid = st->st_gid;
	g->mode = st->st_mode;
	g->has_dev = g->has_ino = 1;
	g->dev = major(st->st_dev) << 20 | minor(st->st_dev);
	g->ino = st->st_ino;
	g->has_rdev = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	g->rdev = st->st_rdev;
	g->atim->tv_sec = st->st_atim.tv_sec;
	g->atim->tv_usec = st->st_atim.tv_nsec / 1000;
	g->mtim->tv_sec = st->st_mtim.tv_sec;
	g->mtim->tv_usec = st->st_mtim.tv_nsec / 1000;
	if (S_ISREG(st->st_mode)) {
		g->has_chunks = g->chunks = st->st_size >= CHUNKS_FROM;
		g->has_size = 1;
		g->size = st->st_size;
	}
	if (!S_ISLNK(st->st_mode))
		return 0;
	n = readlinkat(f->fd, "", target, sizeof(target) - 1);
	if (n < 0)
		return err_sys(e, "read the link '%s'", f->link);
	target[n] = 0;
	g->symlnk_target = pool_text(&f->dump->pool, target);
	return 0;
}

static int save(struct file *f, uint32_t ghost, struct err *e)
{
	Timeval atim = TIMEVAL__INIT, mtim = TIMEVAL__INIT;
	GhostFileEntry g = GHOST_FILE_ENTRY__INIT;
	struct writing w = { .size = f->st.st_size, .name = f->link };
	own_image img = {};

	g.atim = &atim;
	g.mtim = &mtim;
	if (fill_entry(f, &g, e) < 0 ||
	    image_create(&img, f->dump->images, IMG_GHOST_FILE, ghost, e) < 0 ||
	    image_write(&img, &g, e) < 0)
		return e->code;
	if (S_ISREG(f->st.st_mode)) {
		w.img = img;
		img.file = NULL;
		if (write_contents(f, &w, g.chunks, e) < 0) {
			image_drop(&w.img);
			return e->code;
		}
		img = w.img;
	}
	return image_close(&img, e);
}

static int compare(const void *va, const void *vb)
{
	const struct ghost *a = va, *b = vb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

int ghost_add(struct file *f, uint32_t id, struct err *e)
{
	struct files *files = f->dump->files;
	struct ghost *key = pool_new(&f->dump->pool, struct ghost), **node;

	if (S_ISSOCK(f->st.st_mode))
		return err_code(e, ENOTSUP,
				"'%s' is a socket without a name, which is not supported", f->link);
	*key = (struct ghost){ f->st.st_dev, f->st.st_ino, 0 };
	node = tsearch(key, &files->by_ghost, compare);
	if (!node)
		return err_sys(e, "memory for a file");
	if (*node == key) {
		key->id = ++files->ghost_count;
		if (check_limit(f, e) < 0 || save(f, key->id, e) < 0)
			return e->code;
	}
	remap_note(files, id, (*node)->id, REMAP_TYPE__GHOST);
	return 0;
}
