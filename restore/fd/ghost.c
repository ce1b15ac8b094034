/*
 * Ghosts: files without any name, made anew from their contents in ghost-file-N.img. A regular file begins without a
 * name where the file system can do that (O_TMPFILE), else as '<path>.cr.<id>.ghost'; other sorts are made under their
 * name at once. Owner, mode and times come last.
 */
#include "images/fd/ghost.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/remaps.h"

enum { BUFFER_SIZE = 256 * 1024 };

/* A ghost being made. */
struct making {
	const GhostFileEntry *entry;
	struct image *img;
	const RegFileEntry *reg; /* of the first of its files */
	const char *path;
	struct place at; /* where the first of its names was */
	int fd;		 /* of a regular file: O_RDWR, else O_PATH */
	char named[256]; /* its name while it is being made, "": none */
};

static int copy_in(struct making *m, uint64_t at, uint64_t size, struct err *e)
{
	own_mem char *buf = malloc(BUFFER_SIZE);

	if (!buf)
		return err_sys(e, "memory for '%s'", m->path);
	while (size > 0) {
		size_t part = size < BUFFER_SIZE ? size : BUFFER_SIZE;

		if (image_read_extra(m->img, buf, part, e) < 0 ||
		    io_pwrite(m->fd, buf, part, at, e) < 0)
			return err_on(e, "a file that was deleted");
		at += part;
		size -= part;
	}
	return 0;
}

static int copy_chunks(struct making *m, struct err *e)
{
	for (;;) {
		own_message GhostChunkEntry *chunk = NULL;
		int got = image_read(m->img, &ghost_chunk_entry__descriptor, &chunk, e);

		if (got <= 0)
			return got;
		if (chunk->off > m->entry->size || chunk->len > m->entry->size - chunk->off)
			return err_say(e, "'%s' is damaged: data behind the end of the file",
				       m->img->name);
		if (copy_in(m, chunk->off, chunk->len, e) < 0)
			return e->code;
	}
}

static int fill(struct making *m, struct err *e)
{
	uint64_t left = image_left(m->img);

	if (!m->entry->chunks && m->entry->has_size && m->entry->size != left)
		return err_say(e, "'%s' has %lu bytes of a file of %lu", m->img->name, left,
			       m->entry->size);
	if (!m->entry->chunks)
		return copy_in(m, 0, left, e);
	if (ftruncate(m->fd, m->entry->size) < 0)
		return err_sys(e, "give '%s' its size", m->path);
	return copy_chunks(m, e);
}

static struct timespec time_of(const Timeval *t)
{
	struct timespec omit = { .tv_nsec = UTIME_OMIT };

	return t ? (struct timespec){ t->tv_sec, t->tv_usec * 1000 } : omit;
}

static int set_times(struct making *m, int dir, const char *name, struct err *e)
{
	struct timespec times[2] = { time_of(m->entry->atim), time_of(m->entry->mtim) };

	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set the times of '%s'", m->path);
	return 0;
}

static int set_owner(struct making *m, struct err *e)
{
	const GhostFileEntry *g = m->entry;
	struct timespec times[2] = { time_of(g->atim), time_of(g->mtim) };

	if (fchown(m->fd, g->uid, g->gid) < 0)
		return err_sys(e, "set the owner of '%s'", m->path);
	if (fchmod(m->fd, g->mode & 07777) < 0)
		return err_sys(e, "set the mode of '%s'", m->path);
	if (futimens(m->fd, times) < 0)
		return err_sys(e, "set the times of '%s'", m->path);
	return 0;
}

/* Without a name, or with one that nobody else has. */
static int make_regular(struct making *m, uint32_t id, struct err *e)
{
	char suffix[32];
	int n = snprintf(suffix, sizeof(suffix), ".cr.%x.ghost", id);

	m->fd = openat(m->at.dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (m->fd < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return err_sys(e, "make '%s'", m->path);
	if (m->fd < 0) {
		snprintf(m->named, sizeof(m->named), "%.*s%s", NAME_MAX - n, m->at.name, suffix);
		m->fd = openat(m->at.dir, m->named, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (m->fd < 0) {
			m->named[0] = 0; /* it is not ours to remove */
			return err_sys(e, "make '%s%s'", m->path, suffix);
		}
	}
	if (fill(m, e) < 0)
		return e->code;
	return set_owner(m, e);
}

static int link_regular(struct making *m, struct err *e)
{
	char path[32];
	int res;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->fd);
	if (m->named[0])
		res = place_link(&m->at, m->at.dir, m->named, 0);
	else
		res = place_link(&m->at, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	return res < 0 ? err_res(e, res, "give '%s' its name", m->path) : 0;
}

static int make_node(const struct making *m, const char *name)
{
	const GhostFileEntry *g = m->entry;

	switch (g->mode & S_IFMT) {
	case S_IFDIR:
		return mkdirat(m->at.dir, name, 0700);
	case S_IFLNK:
		return symlinkat(g->symlnk_target ? g->symlnk_target : "", m->at.dir, name);
	default:
		return mknodat(m->at.dir, name, (g->mode & S_IFMT) | 0600, g->rdev);
	}
}

/* Anything but a regular file: made where it belongs, or beside it. */
static int make_other(struct making *m, struct err *e)
{
	char *name = m->at.name;
	const GhostFileEntry *g = m->entry;

	if (image_left(m->img))
		return err_say(e, "'%s' holds %lu bytes behind its only record", m->img->name,
			       image_left(m->img));
	if (make_node(m, name) < 0) {
		if (errno != EEXIST)
			return err_sys(e, "make '%s'", m->path);
		snprintf(name + strnlen(name, NAME_MAX - 8), 9, ".cr_link");
		if (make_node(m, name) < 0)
			return err_sys(e, "make '%s.cr_link'", m->path);
	}
	m->at.linked = true;
	if (fchownat(m->at.dir, name, g->uid, g->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "set the owner of '%s'", m->path);
	if (!S_ISLNK(g->mode) && fchmodat(m->at.dir, name, g->mode & 07777, 0) < 0)
		return err_sys(e, "set the mode of '%s'", m->path);
	return set_times(m, m->at.dir, name, e);
}

/* A further name that the file had: its descriptors are to tell it. */
static int open_further(struct restore *r, const struct making *m, struct rfile *f, struct err *e)
{
	const char *path = f->entry->reg->name;
	struct place at;
	int res;

	if (place_find(r, f->entry->reg, &at, e) < 0)
		return e->code;
	res = place_link(&at, m->at.dir, m->at.name, 0);
	if (res == 0)
		res = place_open(&at, path, &f->path_fd, e);
	else
		err_res(e, res, "give '%s' its name", path);
	place_leave(&at);
	return res;
}

static int open_all(struct restore *r, const struct making *m, struct rfile **files, size_t count,
		    struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct rfile *f = files[i];
		int res;

		if (strcmp(f->entry->reg->name, m->path) == 0 || S_ISDIR(m->entry->mode))
			res = place_open(&m->at, m->path, &f->path_fd, e);
		else
			res = open_further(r, m, f, e);
		if (res < 0)
			return res;
	}
	return 0;
}

static int make(struct restore *r, struct making *m, uint32_t id, struct err *e)
{
	if (place_find(r, m->reg, &m->at, e) < 0)
		return e->code;
	if (!S_ISREG(m->entry->mode))
		return make_other(m, e);
	if (make_regular(m, id, e) < 0)
		return e->code;
	return link_regular(m, e);
}

int ghost_make(struct restore *r, uint32_t id, struct rfile **files, size_t count, struct err *e)
{
	struct making m = { .fd = -1,
			    .at.dir = -1,
			    .reg = files[0]->entry->reg,
			    .path = files[0]->entry->reg->name };
	own_message GhostFileEntry *entry = NULL;
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_GHOST_FILE, id, e) < 0)
		return e->code;
	got = image_read(&img, &ghost_file_entry__descriptor, &entry, e);
	if (got < 0)
		return got;
	if (got == 0)
		return err_say(e, "'%s' is cut short: it holds no record", img.name);
	m.entry = entry;
	m.img = &img;
	got = make(r, &m, id, e);
	if (got == 0)
		got = open_all(r, &m, files, count, e);
	if (m.named[0])
		unlinkat(m.at.dir, m.named, 0);
	place_leave(&m.at);
	own_close(&m.fd);
	return got;
}
