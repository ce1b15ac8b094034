/*
 * What becomes of each mount at restore: it is made anew, is a part of another, or comes from outside under the name that
 * --external gives it. What is none of these is refused, and so are groups that reach outside unless an option allows it.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "dump/mounts.h"
#include "dump/ns.h"

static bool in_list(const struct string_list *list, const char *word)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->item[i], word) == 0)
			return true;
	return false;
}

static void take_named(struct dump *d, struct dmount *m)
{
	const char *key = pool_format(&d->pool, "mnt[%s]", m->line.at), *name;

	m->skipped = in_list(&d->opt->skip_mnts, m->line.at);
	if (m->parent && options_external(d->opt, key, &name))
		m->ext_key = name;
}

static bool is_skipped(const struct dmount *m)
{
	for (; m; m = m->parent)
		if (m->skipped)
			return true;
	return false;
}

/* The mount that shows what this one shows, and comes from outside as a whole. */
static bool is_part(const struct dump_mounts *all, const struct dmount *m)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct dmount *whole = &all->all[i];

		if (whole != m && (whole == all->root || whole->ext_key) && !whole->skipped &&
		    whole->line.dev == m->line.dev && mounts_below(whole->line.root, m->line.root))
			return true;
	}
	return false;
}

/* A mount of ours that shows the same file system; NULL: there is none. */
static const struct mount_line *seen_here(const struct dump_mounts *all, const struct dmount *m)
{
	for (size_t i = 0; i < all->our_count; i++)
		if (all->ours[i].dev == m->line.dev &&
		    mounts_below(all->ours[i].root, m->line.root))
			return &all->ours[i];
	return NULL;
}

/* Made anew it would be another one than the one that outside sees. */
static bool is_shared(struct dump *d, const struct dmount *m, const struct filesystem *fs)
{
	if (!fs->own && (fs->shows == NS_COUNT || !ns_is_own(d, fs->shows)))
		return false;
	return seen_here(d->mounts, m) != NULL;
}

static int refuse(const struct dmount *m, const char *why, struct err *e)
{
	const struct mount_line *l = &m->line;

	err_code(e, ENOTSUP, "the mount '%s' (%s of '%s', there '%s') %s", l->at, l->type,
		 l->source, l->root, why);
	return err_hint(
		e,
		"name it with --external 'mnt[%s]:NAME', or all that come from outside with "
		"--external 'mnt[]'",
		l->at);
}

static bool take_outside(struct dump *d, struct dmount *m)
{
	const struct mount_line *here = seen_here(d->mounts, m);
	const char *at, *below;

	if (!d->opt->mnt_auto || !here)
		return false;
	at = strcmp(here->at, "/") == 0 ? "" : here->at;
	below = mounts_below(here->root, m->line.root);
	m->ext_key = AUTOMATIC_KEY;
	m->line.source = pool_format(&d->pool, "%s%s%s", at, *below || !*at ? "/" : "", below);
	return true;
}

static int check_removed(const struct dmount *m, struct err *e)
{
	if (*m->line.other)
		return refuse(m, "has properties that are not supported yet", e);
	if (!m->line.removed || m->ext_key)
		return 0;
	err_code(e, ENOTSUP, "the mount '%s' shows '%s', which was removed; this is not supported",
		 m->line.at, m->line.root);
	return err_hint(e, "let the program unmount it before the dump");
}

static int decide(struct dump *d, struct dmount *m, struct err *e)
{
	struct dump_mounts *all = d->mounts;
	const struct filesystem *fs = filesystem_by_name(m->line.type);
	const struct dmount *whole = dmounts_whole(all, m->line.dev);

	if (m->skipped || m->ext_key || m == all->root || is_part(all, m))
		return 0;
	if (fs && !is_shared(d, m, fs)) {
		m->fs = fs;
		if (!fs->own || (whole && !whole->skipped))
			return 0;
		return refuse(m, "shows a part of what is mounted nowhere as a whole", e);
	}
	if (take_outside(d, m))
		return 0;
	m->automatic = !fs && (in_list(&d->opt->enable_fs, m->line.type) ||
			       in_list(&d->opt->enable_fs, "all"));
	if (m->automatic)
		return 0;
	return refuse(m,
		      seen_here(all, m) ? "comes from outside of the namespace" :
					  "cannot be made anew",
		      e);
}

/* --- groups ----------------------------------------------------------------------------------- */

static bool outside_has(const struct dump_mounts *all, uint32_t group)
{
	for (size_t i = 0; i < all->our_count; i++)
		if (all->ours[i].shared == group)
			return true;
	return false;
}

static bool inside_has(const struct dump_mounts *all, uint32_t group)
{
	for (size_t i = 0; i < all->count; i++)
		if (!all->all[i].skipped && all->all[i].line.shared == group)
			return true;
	return false;
}

static int check_groups(struct dump *d, struct dmount *m, struct err *e)
{
	const struct dump_mounts *all = d->mounts;
	const struct mount_line *l = &m->line;
	bool peers = l->shared && outside_has(all, l->shared);
	bool master = l->master && !inside_has(all, l->master);

	m->internal = !peers && !master;
	if (peers && !(m->ext_key && d->opt->mnt_sharing)) {
		err_code(e, ENOTSUP, "the mount '%s' is shared with outside of the namespace",
			 l->at);
		return err_hint(e, m->ext_key ? "--enable-external-sharing allows that" :
						"let mount --make-private undo that");
	}
	/* Of the root the user has decided who its master is: it is that of --root. */
	if (!master || l->master == all->root->line.master || (m->ext_key && d->opt->mnt_masters))
		return 0;
	err_code(e, ENOTSUP, "the mount '%s' follows what is mounted outside of the namespace",
		 l->at);
	return err_hint(e, m->ext_key ? "--enable-external-masters allows that" :
					"let mount --make-private undo that");
}

int dmounts_decide(struct dump *d, struct err *e)
{
	struct dump_mounts *all = d->mounts;

	for (size_t i = 0; i < all->count; i++)
		take_named(d, &all->all[i]);
	for (size_t i = 0; i < all->count; i++)
		all->all[i].skipped = is_skipped(&all->all[i]);
	if (all->root->skipped)
		return err_say(e, "its root cannot be left out with --skip-mnt");
	for (size_t i = 0; i < all->count; i++) {
		struct dmount *m = &all->all[i];

		if (decide(d, m, e) < 0)
			return e->code;
		if (!m->skipped && (check_removed(m, e) < 0 || check_groups(d, m, e) < 0))
			return e->code;
	}
	return 0;
}
