/*
 * Files that are not found by the path of their entry. What stands in for one is linked to that path for a
 * moment, opened by O_PATH and unlinked again: whatever is opened from there has the right name. A process apart does
 * that, so nothing is left behind, whenever we end.
 *
 * The link that a dump has made (--link-remap) stays until the restore has succeeded.
 */
#include "images/fd/remap.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/image.h"
#include "lib/apart.h"
#include "lib/io.h"
#include "lib/log.h"
#include "restore/mounts.h"
#include "restore/remaps.h"

struct remaps {
	RemapFilePathEntry **all;
	size_t count;
};

/* --- places ----------------------------------------------------------------------------------- */

/* One directory further down. When it is missing it is made, if there is room to remember that. */
static int go_down(struct place *at, const char *name)
{
	int next = openat(at->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (next < 0 && errno == ENOENT && at->made_count < PLACE_DEPTH &&
	    mkdirat(at->dir, name, 0700) == 0) {
		at->made[at->made_count] = at->dir;
		snprintf(at->made_name[at->made_count++], sizeof(at->name), "%s", name);
		at->dir = openat(at->dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return at->dir < 0 ? -errno : 0;
	}
	if (next < 0)
		return -errno;
	close(at->dir);
	at->dir = next;
	return 0;
}

/* Where the path begins: in the mount that the file was in, if the tree has mounts of its own. */
static int begin(const struct restore *r, const RegFileEntry *reg, const char **ret_below)
{
	const struct rmount *m = rmounts_find(r, reg->mnt_id);
	int fd;

	*ret_below = m ? mounts_below(m->entry->mountpoint, reg->name) : reg->name;
	if (!*ret_below)
		return -ENOENT;
	if (r->mounts && !m)
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	else if (m)
		fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);
	else
		return rfiles_path_open(r, "/", O_PATH | O_DIRECTORY);
	return fd < 0 ? -errno : fd;
}

static int check_place(const struct restore *r, const RegFileEntry *reg, struct place *at,
		       struct err *e)
{
	const struct rmount *m = rmounts_find(r, reg->mnt_id);

	if (!m || mounts_id_of(at->dir) == m->id)
		return 0;
	place_leave(at);
	return err_code(e, ENOTSUP,
			"the directory of '%s', which was removed, is covered by another mount; "
			"this is not supported",
			reg->name);
}

int place_find(const struct restore *r, const RegFileEntry *reg, struct place *ret, struct err *e)
{
	char dirs[PATH_MAX], *name, *save = NULL, *slash;
	const char *path = reg->name, *below = path;
	int res = 0;

	*ret = (struct place){ .dir = -1 };
	slash = strrchr(path, '/');
	if (!slash || strlen(path) >= sizeof(dirs) || strlen(slash + 1) >= sizeof(ret->name) ||
	    !slash[1])
		return err_say(e, "'%s' is no path of a file", path);
	snprintf(ret->name, sizeof(ret->name), "%s", slash + 1);
	ret->dir = begin(r, reg, &below);
	if (ret->dir < 0)
		return err_res(e, ret->dir, "the root of '%s'", path);
	snprintf(dirs, sizeof(dirs), "%s", below);
	slash = strrchr(dirs, '/');
	*(slash ? slash : dirs) = 0;
	for (name = strtok_r(dirs, "/", &save); name && res == 0; name = strtok_r(NULL, "/", &save))
		res = strcmp(name, "..") == 0 ? -EINVAL : go_down(ret, name);
	if (res == 0)
		return check_place(r, reg, ret, e);
	place_leave(ret);
	return err_res(e, res, "the directory of '%s'", path);
}

void place_leave(struct place *at)
{
	if (at->linked && unlinkat(at->dir, at->name, 0) < 0 && errno == EISDIR)
		unlinkat(at->dir, at->name, AT_REMOVEDIR);
	at->linked = false;
	own_close(&at->dir);
	at->dir = -1;
	while (at->made_count > 0) {
		at->made_count--;
		unlinkat(at->made[at->made_count], at->made_name[at->made_count], AT_REMOVEDIR);
		close(at->made[at->made_count]);
	}
}

int place_open(const struct place *at, const char *path, int *ret_fd, struct err *e)
{
	int fd = openat(at->dir, at->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open what stands in for '%s'", path);
	*ret_fd = fd;
	return 0;
}

int place_link(struct place *at, int from_dir, const char *from, int flags)
{
	static const char other[] = ".cr_link";
	size_t size = strlen(at->name);

	if (linkat(from_dir, from, at->dir, at->name, flags) < 0) {
		if (errno != EEXIST)
			return -errno;
		/* Taken by another file. A long name is cut for it. */
		if (size + sizeof(other) > NAME_MAX + 1)
			size = NAME_MAX + 1 - sizeof(other);
		strcpy(at->name + size, other);
		if (linkat(from_dir, from, at->dir, at->name, flags) < 0)
			return -errno;
	}
	at->linked = true;
	return 0;
}

/* --- remaps ----------------------------------------------------------------------------------- */

/* Images of old: no type, and the highest bit of the id for a ghost. */
static RemapType type_of(RemapFilePathEntry *m)
{
	if (m->has_remap_type)
		return m->remap_type;
	m->has_remap_type = 1;
	m->remap_type = m->remap_id >> 31 ? REMAP_TYPE__GHOST : REMAP_TYPE__LINKED;
	m->remap_id &= 0x7fffffff;
	return m->remap_type;
}

/* As dumps call the links that they make: it is removed in the end, so it must not be somebody's file. */
static bool is_link(const char *path)
{
	const char *name = strrchr(path, '/');
	static const char prefix[] = "/link_remap.";

	return name && strncmp(name, prefix, sizeof(prefix) - 1) == 0;
}

static int check(struct restore *r, RemapFilePathEntry *m, struct err *e)
{
	const struct rfile *f = rfiles_find(r, m->orig_id);
	const FileEntry *other;

	if (!f || !f->entry->reg)
		return err_say(e,
			       "'remap-fpath.img' is about file %u, which has no path in "
			       "'files.img'",
			       m->orig_id);
	switch (type_of(m)) {
	case REMAP_TYPE__GHOST:
	case REMAP_TYPE__PROCFS:
		return 0;
	case REMAP_TYPE__LINKED:
		other = rfiles_entry(r, m->remap_id);
		if (!other || !other->reg)
			return err_say(e,
				       "'remap-fpath.img' leads to file %u, which has no path in "
				       "'files.img'",
				       m->remap_id);
		if (!is_link(other->reg->name))
			return err_say(e,
				       "'remap-fpath.img' has '%s' for the link to '%s', which "
				       "cannot have been made by a dump",
				       other->reg->name, f->entry->reg->name);
		return 0;
	default:
		return err_say(
			e,
			"'remap-fpath.img' says of file %u that it is gone in a way (%d) which is not known",
			m->orig_id, (int)m->remap_type);
	}
}

int remaps_load(struct restore *r, struct err *e)
{
	struct remaps *remaps = pool_new(&r->pool, struct remaps);
	own_image img = {};
	int got;

	r->files->remaps = remaps;
	if (image_open(&img, r->images, IMG_REMAP_FPATH, 0, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
		return 0;
	}
	for (;;) {
		own_message RemapFilePathEntry *m = NULL;

		got = image_read(&img, &remap_file_path_entry__descriptor, &m, e);
		if (got <= 0)
			return got;
		if (io_grow(&remaps->all, remaps->count, sizeof(*remaps->all), e) < 0)
			return e->code;
		remaps->all[remaps->count++] = m;
		if (check(r, take_mem(m), e) < 0)
			return e->code;
	}
}

static int make_link(struct restore *r, const RemapFilePathEntry *m, struct err *e)
{
	struct rfile *f = rfiles_find(r, m->orig_id);
	const RegFileEntry *link = rfiles_entry(r, m->remap_id)->reg;
	const char *path = f->entry->reg->name;
	struct place from, to;
	int res;

	if (place_find(r, link, &from, e) < 0)
		return e->code;
	if (place_find(r, f->entry->reg, &to, e) < 0) {
		place_leave(&from);
		return e->code;
	}
	res = place_link(&to, from.dir, from.name, 0);
	if (res == 0)
		res = place_open(&to, path, &f->path_fd, e);
	else
		err_res(e, res, "link '%s' to '%s'", link->name, path);
	place_leave(&to);
	place_leave(&from);
	return res;
}

static int by_ghost(const void *va, const void *vb)
{
	const RemapFilePathEntry *a = *(RemapFilePathEntry *const *)va;
	const RemapFilePathEntry *b = *(RemapFilePathEntry *const *)vb;

	if (a->remap_type != b->remap_type)
		return a->remap_type < b->remap_type ? -1 : 1;
	if (a->remap_id != b->remap_id)
		return a->remap_id < b->remap_id ? -1 : 1;
	return a->orig_id < b->orig_id ? -1 : a->orig_id > b->orig_id;
}

/* The files that have the ghost of the one at i, of which there are *ret_count. */
static int make_ghost(struct restore *r, size_t i, size_t *ret_count, struct err *e)
{
	const struct remaps *m = r->files->remaps;
	own_mem struct rfile **files = NULL;
	size_t n = 0;

	for (; i + n < m->count && m->all[i + n]->remap_type == REMAP_TYPE__GHOST &&
	       m->all[i + n]->remap_id == m->all[i]->remap_id;
	     n++) {
		if (io_grow(&files, n, sizeof(*files), e) < 0)
			return e->code;
		files[n] = rfiles_find(r, m->all[i + n]->orig_id);
	}
	*ret_count = n;
	return ghost_make(r, m->all[i]->remap_id, files, n, e);
}

static int make_all(void *arg, struct err *e)
{
	struct restore *r = arg;
	struct remaps *m = r->files->remaps;
	size_t count;

	qsort(m->all, m->count, sizeof(*m->all), by_ghost);
	for (size_t i = 0; i < m->count; i += count) {
		count = 1;
		if (m->all[i]->remap_type == REMAP_TYPE__PROCFS) {
			if (procfs_make(r, rfiles_find(r, m->all[i]->orig_id),
					(int)m->all[i]->remap_id, e) < 0)
				return e->code;
		} else if (m->all[i]->remap_type == REMAP_TYPE__LINKED) {
			if (make_link(r, m->all[i], e) < 0)
				return e->code;
		} else if (make_ghost(r, i, &count, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

int remaps_make(struct restore *r, struct err *e)
{
	return r->files->remaps->count ? apart_run(make_all, r, e) : 0;
}

void remaps_done(struct restore *r)
{
	const struct remaps *m = r->files ? r->files->remaps : NULL;

	for (size_t i = 0; m && i < m->count; i++) {
		struct err e = { 0 };
		struct place at;

		if (m->all[i]->remap_type != REMAP_TYPE__LINKED)
			continue;
		if (place_find(r, rfiles_entry(r, m->all[i]->remap_id)->reg, &at, &e) < 0) {
			log_warn("%s", e.text);
			continue;
		}
		at.linked = true; /* to be removed */
		place_leave(&at);
	}
}

void remaps_close(struct restore *r)
{
	struct remaps *m = r->files->remaps;

	for (size_t i = 0; m && i < m->count; i++)
		protobuf_c_message_free_unpacked(&m->all[i]->base, NULL);
	if (m)
		free(m->all);
	r->files->remaps = NULL;
}
