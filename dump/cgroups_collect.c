/* Directories of control groups, with their settings and owners; see cgroups.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/stat.h>

#include "dump/cgroups.h"
#include "dump/freezer.h"
#include "lib/cgroup_props.h"
#include "lib/io.h"

enum { DEPTH_MAX = 64 }; /* of a tree; a hierarchy may be deeper, nobody's is */

struct collect {
	struct dump *d;
	const char *hierarchy;
	int root;
	const struct wanted_props *wanted;
	size_t wanted_count;
	const char *path; /* of the group that is looked at, for sentences */
	unsigned int depth;
	bool threaded;
};

static CgroupPerms *perms_of(struct pool *pool, int dir, const char *name)
{
	CgroupPerms *perms;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	perms = pool_new(pool, CgroupPerms);
	cgroup_perms__init(perms);
	perms->mode = st.st_mode;
	perms->uid = st.st_uid;
	perms->gid = st.st_gid;
	return perms;
}

static void append(CgroupDirEntry *to, CgroupPropEntry *p, struct pool *pool)
{
	/* Doubled at powers of two; the old array stays in the pool. */
	if ((to->n_properties & (to->n_properties - 1)) == 0) {
		size_t room = to->n_properties ? 2 * to->n_properties : 1;
		CgroupPropEntry **more = pool_array(pool, CgroupPropEntry *, room);

		if (to->n_properties)
			memcpy(more, to->properties, to->n_properties * sizeof(*more));
		to->properties = more;
	}
	to->properties[to->n_properties++] = p;
}

/* A setting that cannot be read there is none: files come and go with controllers, and some are only for the root. */
static void add_prop(struct collect *c, int dir, const char *name, CgroupDirEntry *to)
{
	struct err ignored = { 0 };
	own_mem char *text = NULL;
	CgroupPropEntry *p;
	const char *was;
	size_t size = 0;

	if (io_slurp(dir, name, &text, &size, &ignored) < 0)
		return;
	if (size && text[size - 1] == '\n')
		text[--size] = 0;
	if (!size)
		return;
	p = pool_new(&c->d->pool, CgroupPropEntry);
	cgroup_prop_entry__init(p);
	p->name = pool_text(&c->d->pool, name);
	was = freezer_was(c->d, dir, name);
	p->value = pool_text(&c->d->pool, was ? was : text);
	p->perms = perms_of(&c->d->pool, dir, name);
	c->threaded |= strcmp(name, "cgroup.type") == 0 && strcmp(text, "threaded") == 0;
	append(to, p, &c->d->pool);
}

static DIR *list(const struct collect *c, int dir, struct err *e)
{
	own_fd again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *all = again < 0 ? NULL : fdopendir(again);

	if (all)
		again = -1;
	else
		err_sys(e, "list '%s'", c->path);
	return all;
}

static int add_matching(struct collect *c, int dir, const char *pattern, CgroupDirEntry *to,
			struct err *e)
{
	own_dir all = list(c, dir, e);
	const struct dirent *d;

	if (!all)
		return e->code;
	while ((d = readdir(all)))
		if (fnmatch(pattern, d->d_name, 0) == 0)
			add_prop(c, dir, d->d_name, to);
	return 0;
}

static const struct wanted_props *wanted_of(const struct collect *c, const char *controller)
{
	for (size_t i = 0; i < c->wanted_count; i++)
		if (strcmp(c->wanted[i].controller, controller) == 0)
			return &c->wanted[i];
	return NULL;
}

/* Version 2 has one table for all of its controllers: their names come before the point. */
static bool is_replaced(const struct collect *c, const struct cgroup_prop *p)
{
	const struct wanted_props *w = wanted_of(c, p->controller);

	for (size_t i = 0; !w && !*p->controller && i < c->wanted_count; i++) {
		size_t length = strlen(c->wanted[i].controller);

		if (length && strncmp(p->name, c->wanted[i].controller, length) == 0 &&
		    p->name[length] == '.')
			w = &c->wanted[i];
	}
	return w && w->replace;
}

/* Whether what the table says of a controller is said of one in this hierarchy. */
static bool is_here(const struct collect *c, const char *controller)
{
	if (cgroup_is_v2(c->hierarchy) || !*controller)
		return cgroup_is_v2(c->hierarchy) && !*controller;
	return strcmp(controller, "cgroup") == 0 || cgroup_has(c->hierarchy, controller);
}

static int add_props(struct collect *c, int dir, CgroupDirEntry *to, struct err *e)
{
	for (size_t i = 0; i < cgroup_prop_count; i++) {
		const struct cgroup_prop *p = &cgroup_props[i];

		if (!is_here(c, p->controller) || is_replaced(c, p))
			continue;
		if (!strchr(p->name, '*'))
			add_prop(c, dir, p->name, to);
		else if (add_matching(c, dir, p->name, to, e) < 0)
			return e->code;
	}
	/* In version 2 every controller's are; what is not there is not there. */
	for (size_t i = 0; i < c->wanted_count; i++)
		for (size_t k = 0; k < c->wanted[i].count; k++)
			if (cgroup_is_v2(c->hierarchy) ||
			    cgroup_has(c->hierarchy, c->wanted[i].controller))
				add_prop(c, dir, c->wanted[i].names[k], to);
	return 0;
}

static int collect_dir(struct collect *c, int parent, const char *path, CgroupDirEntry **ret,
		       struct err *e);

static int add_child(struct collect *c, int dir, const char *name, CgroupDirEntry *to,
		     struct err *e)
{
	CgroupDirEntry **more = pool_array(&c->d->pool, CgroupDirEntry *, to->n_children + 1);
	const char *path = c->path;

	if (c->depth == DEPTH_MAX)
		return err_code(e, ENOTSUP, "there are more than %d cgroups in one another in '%s'",
				DEPTH_MAX, path);
	if (to->n_children)
		memcpy(more, to->children, to->n_children * sizeof(*more));
	to->children = more;
	c->depth++;
	c->path = pool_format(&c->d->pool, "%s/%s", path, name);
	if (collect_dir(c, dir, pool_text(&c->d->pool, name), &more[to->n_children++], e) < 0)
		return e->code;
	c->depth--;
	c->path = path;
	return 0;
}

static int add_children(struct collect *c, int dir, CgroupDirEntry *to, struct err *e)
{
	own_dir all = list(c, dir, e);
	const struct dirent *d;

	if (!all)
		return e->code;
	while ((d = readdir(all)))
		if (d->d_type == DT_DIR && strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 && add_child(c, dir, d->d_name, to, e) < 0)
			return e->code;
	return 0;
}

static int collect_dir(struct collect *c, int parent, const char *path, CgroupDirEntry **ret,
		       struct err *e)
{
	own_fd dir = openat(parent, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CgroupDirEntry *entry = pool_new(&c->d->pool, CgroupDirEntry);

	cgroup_dir_entry__init(entry);
	*ret = entry;
	if (dir < 0)
		return err_sys(e, "open '%s'", c->path);
	entry->dir_name = (char *)path;
	entry->dir_perms = perms_of(&c->d->pool, dir, ".");
	if (add_props(c, dir, entry, e) < 0)
		return e->code;
	return add_children(c, dir, entry, e);
}

/* --cgroup-root: where the tree of the hierarchy begins. NULL: where the tasks are. */
static const char *root_given(const struct dump *d, const char *hierarchy)
{
	const char *path = NULL;

	for (size_t i = 0; i < d->opt->cgroup_root_count; i++) {
		const struct cgroup_root *r = &d->opt->cgroup_roots[i];

		if (r->controller && cgroup_has(hierarchy, r->controller))
			return r->path;
		path = r->controller ? path : r->path;
	}
	return path;
}

static bool is_below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 && (!path[length] || path[length] == '/');
}

/* Adds the path, unless it is in one that is there; what lies in it is in it from then on. */
static void add_top(const char **tops, size_t *count, const char *path)
{
	size_t kept = 0;

	for (size_t i = 0; i < *count; i++)
		if (is_below(path, tops[i]))
			return;
	for (size_t i = 0; i < *count; i++)
		if (!is_below(tops[i], path))
			tops[kept++] = tops[i];
	tops[kept++] = path;
	*count = kept;
}

static size_t find_tops(struct dump *d, const char *hierarchy, const char **tops)
{
	const struct cgroups *c = d->cgroups;
	const struct cgroup_member *own = cgroup_member_find(&c->sets[0].members, hierarchy);
	const char *given = root_given(d, hierarchy);
	size_t count = 0;

	for (size_t i = 1; i < c->count; i++) {
		const struct cgroup_member *m = cgroup_member_find(&c->sets[i].members, hierarchy);

		if (!m || strcmp(m->path, "/") == 0 || (own && strcmp(m->path, own->path) == 0))
			continue;
		add_top(tops, &count, given && is_below(m->path, given) ? given : m->path);
	}
	return count;
}

int cgroups_collect(struct dump *d, const char *hierarchy, CgControllerEntry *ret, struct err *e)
{
	const char **tops = pool_array(&d->pool, const char *, d->cgroups->count + 1);
	size_t count = find_tops(d, hierarchy, tops);
	struct collect c = { .d = d, .hierarchy = hierarchy };
	struct wanted_props *wanted;
	own_fd root = -1;

	if (count == 0)
		return 0;
	if (cgroups_wanted(d, &wanted, &c.wanted_count, e) < 0 ||
	    cgroup_open(hierarchy, d->opt->cgroup_yard, &root, e) < 0)
		return e->code;
	c.wanted = wanted;
	ret->dirs = pool_array(&d->pool, CgroupDirEntry *, count);
	for (size_t i = 0; i < count; i++) {
		c.path = tops[i];
		if (collect_dir(&c, root, tops[i] + 1, &ret->dirs[ret->n_dirs++], e) < 0)
			return e->code;
	}
	ret->has_is_threaded = ret->is_threaded = c.threaded;
	return 0;
}
