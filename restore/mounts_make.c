/* Making one mount; where it is attached is restore/mounts.c's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/options.h"
#include "restore/mounts.h"

/* A private copy of what lies there. */
static int copy(int dir_fd, const char *path, int *ret_fd)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	int fd = open_tree(dir_fd, path,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH));

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static bool is_inside(const struct rmounts *all, uint32_t group)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i].entry->shared_id == group)
			return true;
	return false;
}

/* What it is to be shared with, or to follow, is what it comes from. */
static int keep_peer(struct restore *r, struct rmount *m, const char *path, struct err *e)
{
	const MntEntry *entry = m->entry;
	bool master = entry->master_id && !is_inside(r->mounts, entry->master_id);
	bool peers = entry->shared_id && entry->ext_key && !entry->internal_sharing;

	m->shares = peers && r->opt->mnt_sharing;
	if (!m->shares && !(master && (!entry->ext_key || r->opt->mnt_masters)))
		return 0;
	m->peer = open(path, O_PATH | O_CLOEXEC);
	return m->peer < 0 ? err_sys(e, "open '%s'", path) : 0;
}

/* A mount of ours that shows the root as it was, if that is not said by --root. */
static const char *recorded_root(struct restore *r, const MntEntry *m, struct err *e)
{
	struct mount_line *ours;
	size_t count;

	if (mounts_read(r->mounts->proc, &r->pool, &ours, &count, e) < 0)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const char *below = mounts_below(ours[i].root, m->root);

		if (ours[i].dev == m->root_dev && below && strcmp(ours[i].source, m->source) == 0)
			return pool_format(&r->pool, "%s/%s",
					   strcmp(ours[i].at, "/") == 0 ? "" : ours[i].at, below);
	}
	err_say(e, "the root of the tree ('%s', there '%s') is not mounted here", m->source,
		m->root);
	err_hint(e, "give its directory with --root");
	return NULL;
}

/* What --external says about a key, or where 'mnt[]' has found it. */
static const char *source_of(struct restore *r, const MntEntry *m, struct err *e)
{
	const char *key = pool_format(&r->pool, "mnt[%s]", m->ext_key), *path;

	if (options_external(r->opt, key, &path) && *path)
		return path;
	if (strcmp(m->ext_key, AUTOMATIC_KEY) == 0) {
		if (r->opt->mnt_auto)
			return m->source;
		err_say(e, "it came from '%s' outside", m->source);
		err_hint(e, "--external 'mnt[]' takes all such mounts from where they were");
		return NULL;
	}
	err_say(e, "it comes from outside, and was called '%s'", m->ext_key);
	err_hint(e, "say what it is here with --external 'mnt[%s]:PATH'", m->ext_key);
	return NULL;
}

static int fetch_part(struct restore *r, struct rmount *m, const char *path, struct err *e)
{
	const char *below = mounts_below(m->whole->entry->root, m->entry->root);
	own_fd base = open(path, O_PATH | O_CLOEXEC);
	own_fd at = -1;
	int res;

	(void)r;
	if (base < 0)
		return err_sys(e, "open '%s'", path);
	at = mounts_open(base, below, O_PATH);
	if (at < 0)
		return err_res(e, at, "open '%s' below '%s'", below, path);
	res = copy(at, "", &m->fd);
	return res < 0 ? err_res(e, res, "copy '%s' below '%s'", below, path) : 0;
}

int rmount_fetch(struct restore *r, struct rmount *m, struct err *e)
{
	struct rmounts *all = r->mounts;
	const struct rmount *from = m->whole ? m->whole : m;
	const char *path;
	int res;

	if (m == all->root)
		path = r->opt->root ? r->opt->root : recorded_root(r, m->entry, e);
	else if (from->entry->ext_key)
		path = source_of(r, from->entry, e);
	else
		return 0; /* a part of the root, or made anew */
	if (!path)
		return e->code;
	if (m->whole)
		return fetch_part(r, m, path, e);
	res = copy(AT_FDCWD, path, &m->fd);
	if (res < 0)
		return err_res(e, res, "open '%s' as a mount", path);
	return keep_peer(r, m, path, e);
}

int rmount_make(struct restore *r, struct rmount *m, struct err *e)
{
	const char *below = m->entry->root + 1;
	int base = -1, res;
	own_fd at = -1;

	if (m->whole) {
		base = m->whole->fd;
		below = mounts_below(m->whole->entry->root, m->entry->root);
	} else if (rsuper_get(r, m, &base, e) < 0 || rmounts_hold_pty(r, m, base, e) < 0) {
		return e->code;
	}
	at = mounts_open(base, below, O_PATH);
	if (at < 0)
		return err_res(e, at, "open '%s' in it", below);
	res = copy(at, "", &m->fd);
	return res < 0 ? err_res(e, res, "copy '%s' of it", below) : 0;
}
