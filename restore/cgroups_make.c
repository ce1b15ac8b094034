/* Directories of control groups, and their settings; see cgroups.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "restore/cgroups.h"

enum {
	BUSY_MS = 1000, /* those who were killed leave their groups in a moment */
	PERMISSIONS = 07777,
};

static int note(struct rsettings **list, size_t *count, struct rsettings s, struct err *e)
{
	if (io_grow(list, *count, sizeof(**list), e) < 0)
		return e->code;
	(*list)[(*count)++] = s;
	return 0;
}

static int open_dir(const struct rhierarchy *h, const char *path)
{
	return openat(h->root, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool exists(const struct rhierarchy *h, const char *path)
{
	return faccessat(h->root, path[1] ? path + 1 : ".", F_OK, 0) == 0;
}

/* Of version 1: a new set of processors is empty, and nobody gets into it, until it is told otherwise. */
static void fill_cpuset(const struct rhierarchy *h, const char *path)
{
	const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
	const char *slash = strrchr(path, '/');
	own_mem char *above = strndup(path, slash == path ? 1 : slash - path);
	own_fd from = above ? open_dir(h, above) : -1, to = open_dir(h, path);

	for (size_t i = 0; i < ARRAY_SIZE(names) && from >= 0 && to >= 0; i++) {
		struct err ignored = { 0 };
		own_mem char *value = NULL;

		if (io_slurp(from, names[i], &value, NULL, &ignored) == 0)
			(void)!io_put(to, names[i], value, &ignored);
	}
}

/* And those above it. */
static int make_dir(struct restore *r, struct rhierarchy *h, const char *path, struct err *e)
{
	for (const char *end = path; *end;) {
		char *part;

		end = strchrnul(end + 1, '/');
		part = pool_format(&r->pool, "%.*s", (int)(end - path), path);
		if (exists(h, part))
			continue;
		if (mkdirat(h->root, part + 1, 0755) < 0)
			return err_sys(e, "make the cgroup '%s' of '%s'", part,
				       cgroup_words(h->local));
		if (note(&r->cgroups->made, &r->cgroups->made_count,
			 (struct rsettings){ h, part, NULL }, e) < 0)
			return e->code;
		if (cgroup_has(h->local, "cpuset"))
			fill_cpuset(h, part);
	}
	return 0;
}

/* Groups below get the files of a controller from those above, which may not have been asked for them. */
static void enable(const struct rhierarchy *h, const char *path, const char *name)
{
	own_mem char *part = strdup(path);
	char word[64];

	snprintf(word, sizeof(word), "+%.*s", (int)strcspn(name, "."), name);
	for (char *end = part; end && *end;) {
		struct err ignored = { 0 };
		own_fd dir = -1;

		*end = 0;
		dir = open_dir(h, *part ? part : "/");
		if (dir >= 0)
			(void)!io_put(dir, "cgroup.subtree_control", word, &ignored);
		*end = '/';
		end = strchrnul(end + 1, '/');
	}
}

/* What a group has that nobody has ever told anything. */
static bool is_no_limit(const char *value)
{
	static const char *const words[] = { "0", "max", "max 100000", "100", "default 100" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(value, words[i]) == 0)
			return true;
	return false;
}

static int give_away(int dir, const char *name, const CgroupPerms *p, struct err *e)
{
	struct stat st;

	if (!p || fstatat(dir, name, &st, 0) < 0)
		return 0;
	if ((st.st_uid != p->uid || st.st_gid != p->gid) &&
	    fchownat(dir, name, p->uid, p->gid, 0) < 0)
		return err_sys(e, "give '%s' to user %u", name, p->uid);
	if ((st.st_mode & PERMISSIONS) != (p->mode & PERMISSIONS) &&
	    fchmodat(dir, name, p->mode & PERMISSIONS, 0) < 0)
		return err_sys(e, "the permissions of '%s'", name);
	return 0;
}

static int set_one(const struct rsettings *s, int dir, const CgroupPropEntry *p, struct err *e)
{
	if (cgroup_is_v2(s->h->local) && faccessat(dir, p->name, F_OK, 0) < 0 &&
	    !is_no_limit(p->value))
		enable(s->h, s->path, p->name);
	if (faccessat(dir, p->name, F_OK, 0) < 0) {
		if (is_no_limit(p->value))
			return 0;
		err_code(e, ENOENT, "there is no setting '%s', which was '%s'", p->name, p->value);
	} else if (cgroup_prop_write(dir, p->name, p->value, e) == 0) {
		return give_away(dir, p->name, p->perms, e);
	}
	err_on(e, "'%s' of the cgroup '%s' to '%.64s'", p->name, s->path, p->value);
	return err_hint(e, "--manage-cgroups=none takes cgroups as they are");
}

static enum cgroup_when when_of(const CgroupPropEntry *p)
{
	const struct cgroup_prop *known = cgroup_prop_find(p->name);

	return known ? known->when : CGROUP_LATE;
}

/* What fails for the sake of another that comes later is tried once more. */
static int set_all(const struct rsettings *s, enum cgroup_when when, struct err *e)
{
	own_fd dir = open_dir(s->h, s->path);
	bool again = false;

	if (dir < 0)
		return err_sys(e, "open the cgroup '%s'", s->path);
	for (size_t i = 0; i < s->dir->n_properties; i++) {
		struct err ignored = { 0 };

		if (when_of(s->dir->properties[i]) == when)
			again |= set_one(s, dir, s->dir->properties[i], &ignored) < 0;
	}
	for (size_t i = 0; again && i < s->dir->n_properties; i++)
		if (when_of(s->dir->properties[i]) == when &&
		    set_one(s, dir, s->dir->properties[i], e) < 0)
			return e->code;
	return when == CGROUP_EARLY ? 0 : give_away(dir, ".", s->dir->dir_perms, e);
}

static int refuse_missing(const struct rhierarchy *h, const char *path, struct err *e)
{
	err_code(e, ENOENT, "there is no cgroup '%s' of '%s'", path, cgroup_words(h->local));
	return err_hint(e, "--manage-cgroups=soft makes those that are missing");
}

static int have_dir(struct restore *r, struct rhierarchy *h, const char *path, struct err *e)
{
	enum cgroup_mode mode = r->opt->cgroup_mode;

	if (exists(h, path))
		return 0;
	return mode == CGROUPS_NONE || mode == CGROUPS_PROPS ? refuse_missing(h, path, e) :
							       make_dir(r, h, path, e);
}

static int make_tree(struct restore *r, struct rhierarchy *h, const char *path,
		     const CgroupDirEntry *d, struct err *e)
{
	enum cgroup_mode mode = r->opt->cgroup_mode;
	struct rsettings s = { h, path, d };
	bool was_there = exists(h, path);

	if (was_there && mode == CGROUPS_STRICT) {
		err_code(e, EEXIST, "the cgroup '%s' of '%s' is there already", path,
			 cgroup_words(h->local));
		return err_hint(e, "remove it, or use --manage-cgroups=soft");
	}
	if (have_dir(r, h, path, e) < 0)
		return e->code;
	if (mode == CGROUPS_FULL || mode == CGROUPS_PROPS || (mode != CGROUPS_NONE && !was_there)) {
		if (set_all(&s, CGROUP_EARLY, e) < 0 ||
		    note(&r->cgroups->settings, &r->cgroups->settings_count, s, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < d->n_children; i++) {
		const char *child = pool_format(&r->pool, "%s/%s", path[1] ? path : "",
						d->children[i]->dir_name);

		if (make_tree(r, h, child, d->children[i], e) < 0)
			return e->code;
	}
	return 0;
}

static struct rhierarchy *of_controller(const struct restore *r, const CgControllerEntry *c)
{
	for (size_t i = 0; i < r->cgroups->count; i++)
		if (cgroup_has(r->cgroups->all[i].name, c->cnames[0]))
			return &r->cgroups->all[i];
	return NULL;
}

static int make_controller(struct restore *r, const CgControllerEntry *c, struct err *e)
{
	struct rhierarchy *h = of_controller(r, c);

	if (rcgroups_open(r, h, e) < 0)
		return e->code;
	for (size_t i = 0; i < c->n_dirs; i++) {
		const char *path = pool_format(&r->pool, "/%s", c->dirs[i]->dir_name);

		if (make_tree(r, h, rcgroups_path(r, h, path), c->dirs[i], e) < 0)
			return e->code;
	}
	return 0;
}

/* Groups without settings: those that the dumper was in itself, or somebody did not want. */
static int make_members(struct restore *r, const CgSetEntry *s, struct err *e)
{
	for (size_t i = 0; i < s->n_ctls; i++) {
		struct rhierarchy *h = rcgroups_hierarchy(r->cgroups, s->ctls[i]->name);
		const char *path = rcgroups_path(r, h, s->ctls[i]->path);

		if (strcmp(path, h->home) == 0)
			continue;
		if (rcgroups_open(r, h, e) < 0 || have_dir(r, h, path, e) < 0)
			return e->code;
	}
	return 0;
}

int rcgroups_make(struct restore *r, struct err *e)
{
	const CgroupEntry *image = r->cgroups ? r->cgroups->image : NULL;

	for (size_t i = 0; image && i < image->n_controllers; i++)
		if (make_controller(r, image->controllers[i], e) < 0)
			return e->code;
	for (size_t i = 0; image && i < image->n_sets; i++)
		if (make_members(r, image->sets[i], e) < 0)
			return e->code;
	return 0;
}

int rcgroups_set(struct restore *r, enum cgroup_when when, struct err *e)
{
	for (size_t i = 0; r->cgroups && i < r->cgroups->settings_count; i++)
		if (set_all(&r->cgroups->settings[i], when, e) < 0)
			return e->code;
	return 0;
}

void rcgroups_freeze(struct restore *r, bool v2)
{
	for (size_t i = 0; r->cgroups && i < r->cgroups->settings_count; i++) {
		const struct rsettings *s = &r->cgroups->settings[i];
		struct err e = { 0 };

		if (cgroup_is_v2(s->h->local) == v2 && set_all(s, CGROUP_LAST, &e) < 0)
			log_error("%s", e.text);
	}
}

void rcgroups_remove(struct restore *r)
{
	struct rcgroups *c = r->cgroups;
	int patience_ms = BUSY_MS;

	while (c && c->made_count) {
		const struct rsettings *s = &c->made[c->made_count - 1];

		if (unlinkat(s->h->root, s->path + 1, AT_REMOVEDIR) < 0 && errno == EBUSY &&
		    patience_ms-- > 0) {
			usleep(1000);
			continue;
		}
		c->made_count--;
	}
}
