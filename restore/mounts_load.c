/* Reading mountpoints-N.img. What comes later relies on what is checked here. */
#include <errno.h>
#include <string.h>

#include "images/image.h"
#include "lib/archive.h"
#include "lib/io.h"
#include "restore/mounts.h"
#include "restore/ns.h"

static int read_all(struct restore *r, uint32_t id, struct err *e)
{
	struct rmounts *all = r->mounts;
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_MNTS, id, e) < 0)
		return e->code;
	for (;;) {
		own_message MntEntry *entry = NULL;

		got = image_read(&img, &mnt_entry__descriptor, &entry, e);
		if (got <= 0)
			return got;
		if ((entry->root[0] != '/' && !entry->ext_key) || entry->mountpoint[0] != '/')
			return err_say(e, "'%s' has a mount of '%s' at '%s', which are no paths",
				       img.name, entry->root, entry->mountpoint);
		if (io_grow(&all->all, all->count, sizeof(*all->all), e) < 0)
			return e->code;
		all->all[all->count++] =
			(struct rmount){ .entry = take_mem(entry), .fd = -1, .peer = -1 };
	}
}

struct rmount *rmounts_find(const struct restore *r, int32_t mnt_id)
{
	for (size_t i = 0; r->mounts && mnt_id > 0 && i < r->mounts->count; i++)
		if (r->mounts->all[i].entry->mnt_id == (uint32_t)mnt_id)
			return &r->mounts->all[i];
	return NULL;
}

/* The way up has to end at the root. */
static int check_above(const struct rmounts *all, const struct rmount *m, struct err *e)
{
	const struct rmount *above = m;

	for (size_t i = 0; above != all->root; above = above->parent)
		if (i++ > all->count)
			return err_say(e, "the mount '%s' is mounted on itself",
				       m->entry->mountpoint);
	return 0;
}

static int find_parents(struct restore *r, struct err *e)
{
	struct rmounts *all = r->mounts;

	for (size_t i = 0; i < all->count; i++) {
		struct rmount *m = &all->all[i];

		m->parent = m->entry->parent_mnt_id == m->entry->mnt_id ?
				    NULL :
				    rmounts_find(r, (int32_t)m->entry->parent_mnt_id);
		if (m->parent && !mounts_below(m->parent->entry->mountpoint, m->entry->mountpoint))
			return err_say(e, "the mount '%s' is not below its parent, '%s'",
				       m->entry->mountpoint, m->parent->entry->mountpoint);
		if (m->parent)
			continue;
		if (all->root)
			return err_say(e, "both '%s' and '%s' are mounted on nothing",
				       all->root->entry->mountpoint, m->entry->mountpoint);
		all->root = m;
	}
	if (!all->root)
		return err_say(e, "there is no root among the mounts");
	for (size_t i = 0; i < all->count; i++)
		if (check_above(all, &all->all[i], e) < 0)
			return e->code;
	return 0;
}

static struct rmount *find_whole(const struct rmounts *all, const struct rmount *m)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rmount *whole = &all->all[i];

		if (whole != m && (whole == all->root || whole->entry->ext_key) &&
		    whole->entry->root_dev == m->entry->root_dev &&
		    mounts_below(whole->entry->root, m->entry->root))
			return whole;
	}
	return NULL;
}

static bool is_enabled(const struct restore *r, const char *name)
{
	const struct string_list *list = &r->opt->enable_fs;

	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->item[i], name) == 0 || strcmp(list->item[i], "all") == 0)
			return true;
	return false;
}

static int decide(struct restore *r, struct rmount *m, struct err *e)
{
	const MntEntry *entry = m->entry;

	if (m == r->mounts->root || entry->ext_key)
		return 0;
	m->whole = find_whole(r->mounts, m);
	if (m->whole)
		return 0;
	if (entry->fstype == FSTYPE__AUTO && entry->fsname) {
		if (is_enabled(r, entry->fsname))
			return 0;
		err_say(e, "the mount '%s' is of a file system '%s'", entry->mountpoint,
			entry->fsname);
		return err_hint(e, "--enable-fs %s mounts it anew", entry->fsname);
	}
	m->fs = filesystem_by_type(entry->fstype);
	if (!m->fs)
		return err_code(
			e, ENOTSUP,
			"the mount '%s' ('%s', of the kind %u) is neither made anew nor named as "
			"external, which is not supported",
			entry->mountpoint, entry->source, entry->fstype);
	m->late = m->fs->shows != NS_COUNT && rns_is_own(r, m->fs->shows);
	return 0;
}

int rmounts_load(struct restore *r, uint32_t id, struct err *e)
{
	struct rmounts *all = pool_new(&r->pool, struct rmounts);

	r->mounts = all;
	all->proc = -1;
	if (r->opt->dry_run)
		return err_code(e, ENOTSUP,
				"a mount namespace is not made by --dry-run, and so nothing is "
				"found in it");
	if (archive_prepare(e) < 0)
		return e->code;
	if (read_all(r, id, e) < 0 || find_parents(r, e) < 0)
		return err_on(e, "'mountpoints-%u.img'", id);
	for (size_t i = 0; i < all->count; i++)
		if (decide(r, &all->all[i], e) < 0)
			return e->code;
	return 0;
}

void rmounts_close(struct restore *r)
{
	struct rmounts *all = r->mounts;

	for (size_t i = 0; all && i < all->count; i++) {
		own_close(&all->all[i].fd);
		own_close(&all->all[i].peer);
		image_message_free(&all->all[i].entry);
	}
	for (size_t i = 0; all && i < all->super_count; i++)
		own_close(&all->supers[i].fd);
	for (size_t i = 0; all && i < all->pty_count; i++)
		own_close(&all->ptys[i].fd);
	if (all) {
		own_close(&all->proc);
		free(all->ptys);
		free(all->all);
		free(all->supers);
	}
	r->mounts = NULL;
}
