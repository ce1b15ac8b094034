/*
 * Groups of mounts that propagate to each other. Mounts are made and attached as private ones, so nothing has propagated; a group is
 * begun by the one that shows most of its file system, and the others are put into it (MOVE_MOUNT_SET_GROUP). Masters first.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "restore/mounts.h"

static int propagate(const struct rmount *m, uint64_t how, struct err *e)
{
	struct mount_attr attr = { .propagation = how };

	if (mount_setattr(m->fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "the mount '%s': set its propagation", m->entry->mountpoint);
	return 0;
}

static int join(const struct rmount *m, int member, struct err *e)
{
	if (move_mount(member, "", m->fd, "",
		       MOVE_MOUNT_SET_GROUP | MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return err_sys(e, "the mount '%s': put it into the group of another",
			       m->entry->mountpoint);
	return 0;
}

/* Where nobody outside shares what it comes from there is nothing to follow. */
static int follow_outside(const struct rmount *m, struct err *e)
{
	if (join(m, m->peer, e) < 0)
		return e->code;
	return m->shares ? 0 : propagate(m, MS_SLAVE, e);
}

/* Of those that are done or not: the one with the widest root. */
static struct rmount *member_of(const struct rmounts *all, uint32_t group, bool grouped)
{
	struct rmount *best = NULL;

	for (size_t i = 0; i < all->count; i++) {
		struct rmount *m = &all->all[i];

		if (m->entry->shared_id == group && m->grouped == grouped &&
		    (!best || strlen(m->entry->root) < strlen(best->entry->root)))
			best = m;
	}
	return best;
}

static bool has_group(const struct rmounts *all, uint32_t group)
{
	return group && (member_of(all, group, true) || member_of(all, group, false));
}

/* Whether its master is there by now. */
static bool is_ready(const struct rmounts *all, const struct rmount *m)
{
	return !has_group(all, m->entry->master_id) || member_of(all, m->entry->master_id, true);
}

static int group_one(const struct rmounts *all, struct rmount *m, struct err *e)
{
	const MntEntry *entry = m->entry;
	const struct rmount *peer = entry->shared_id ? member_of(all, entry->shared_id, true) :
						       NULL;
	const struct rmount *master =
		has_group(all, entry->master_id) ? member_of(all, entry->master_id, true) : NULL;

	if (peer && join(m, peer->fd, e) < 0)
		return e->code;
	if (!peer && master && (join(m, master->fd, e) < 0 || propagate(m, MS_SLAVE, e) < 0))
		return e->code;
	if (!peer && !master && m->peer >= 0 && follow_outside(m, e) < 0)
		return e->code;
	if (!peer && entry->shared_id && !m->shares && propagate(m, MS_SHARED, e) < 0)
		return e->code;
	if (entry->flags & MS_UNBINDABLE && propagate(m, MS_UNBINDABLE, e) < 0)
		return e->code;
	m->grouped = true;
	return 0;
}

/* The widest of its group goes first, and only when its master's group is there. */
static struct rmount *next(const struct rmounts *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rmount *m = &all->all[i];

		if (m->grouped || !is_ready(all, m))
			continue;
		return m->entry->shared_id ? member_of(all, m->entry->shared_id, false) : m;
	}
	return NULL;
}

int rmounts_group(struct restore *r, struct err *e)
{
	struct rmounts *all = r->mounts;
	struct rmount *m;

	while ((m = next(all)))
		if (group_one(all, m, e) < 0)
			return e->code;
	for (size_t i = 0; i < all->count; i++)
		if (!all->all[i].grouped)
			return err_say(e, "the mount '%s' has a master that follows itself",
				       all->all[i].entry->mountpoint);
	return 0;
}
