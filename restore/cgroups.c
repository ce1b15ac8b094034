/* Control groups: their image, and tasks that come into them; see cgroups.h. */
#include "restore/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "lib/io.h"

enum { DEPTH_MAX = 64 };

/* No way out of the hierarchy. */
static bool is_good(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
			return false;
	}
	return !strpbrk(path, "\n");
}

static int check_dir(const CgroupDirEntry *d, unsigned int depth, struct err *e)
{
	if (depth == DEPTH_MAX || *d->dir_name == '/' || !is_good(d->dir_name) ||
	    (depth && (!*d->dir_name || strchr(d->dir_name, '/'))))
		return err_say(e, "'cgroup.img' has a directory '%.64s' that cannot be",
			       d->dir_name);
	for (size_t i = 0; i < d->n_properties; i++) {
		const char *name = d->properties[i]->name;

		if (!*name || *name == '.' || strchr(name, '/'))
			return err_say(e, "'cgroup.img' has a setting '%.64s' that cannot be",
				       name);
	}
	for (size_t i = 0; i < d->n_children; i++)
		if (check_dir(d->children[i], depth + 1, e) < 0)
			return e->code;
	return 0;
}

static int check_set(const CgroupEntry *image, const CgSetEntry *s, struct err *e)
{
	for (size_t i = 0; i < image->n_sets && image->sets[i] != s; i++)
		if (image->sets[i]->id == s->id)
			return err_say(e, "'cgroup.img' has set %u twice", s->id);
	for (size_t i = 0; i < s->n_ctls; i++)
		if (*s->ctls[i]->path != '/' || !is_good(s->ctls[i]->path))
			return err_say(e, "'cgroup.img' has a path '%.64s' that cannot be",
				       s->ctls[i]->path);
	for (size_t i = 0; i < s->n_ctls; i++) {
		const CgMemberEntry *m = s->ctls[i];
		size_t length = strlen(m->path);

		if (m->cgns_prefix > length ||
		    (m->path[m->cgns_prefix] && m->path[m->cgns_prefix] != '/'))
			return err_say(e,
				       "'cgroup.img' has a namespace that begins at %u of '%.64s'",
				       m->cgns_prefix, m->path);
	}
	return 0;
}

static const CgSetEntry *find_set(const struct rcgroups *c, uint32_t id)
{
	for (size_t i = 0; c->image && i < c->image->n_sets; i++)
		if (c->image->sets[i]->id == id)
			return c->image->sets[i];
	return NULL;
}

/* Before threads had one of their own, it was the task's. */
static uint32_t set_of(const struct rthread *th)
{
	const struct rcgroups *c = th->task->restore->cgroups;
	const CoreEntry *core = th->core;

	if (core && core->thread_core && core->thread_core->has_cg_set)
		return core->thread_core->cg_set;
	if (core && core->tc && core->tc->has_cg_set)
		return core->tc->cg_set;
	return c->own_set;
}

const CgSetEntry *rcgroups_set_of(const struct rthread *th)
{
	return find_set(th->task->restore->cgroups, set_of(th));
}

static int check_threads(const struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			uint32_t set = set_of(&r->tasks[i]->threads[k]);

			if (set != r->cgroups->own_set && !find_set(r->cgroups, set))
				return err_say(e,
					       "'cgroup.img' does not have set %u, in which pid %d "
					       "was",
					       set, r->tasks[i]->threads[k].tid);
		}
	return 0;
}

static int check(const struct restore *r, struct err *e)
{
	const CgroupEntry *image = r->cgroups->image;

	for (size_t i = 0; image && i < image->n_sets; i++)
		if (check_set(image, image->sets[i], e) < 0)
			return e->code;
	for (size_t i = 0; image && i < image->n_controllers; i++) {
		if (image->controllers[i]->n_cnames == 0)
			return err_say(e, "'cgroup.img' has a hierarchy without a name");
		for (size_t k = 0; k < image->controllers[i]->n_dirs; k++)
			if (check_dir(image->controllers[i]->dirs[k], 0, e) < 0)
				return e->code;
	}
	return check_threads(r, e);
}

struct rhierarchy *rcgroups_hierarchy(struct rcgroups *c, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->all[i].name, name) == 0)
			return &c->all[i];
	return NULL;
}

static int add_hierarchy(struct restore *r, const struct cgroup_members *here, const char *name,
			 struct err *e)
{
	struct rcgroups *c = r->cgroups;
	const struct cgroup_member *m = cgroup_member_find(here, name);

	if (rcgroups_hierarchy(c, name))
		return 0;
	m = m ? m : cgroup_member_like(here, name);
	if (!m) {
		err_code(e, ENOENT, "there is no hierarchy '%s' of cgroups here, as the tree had",
			 cgroup_words(name));
		return err_hint(e, "--manage-cgroups=ignore leaves the tasks in the cgroups of "
				   "whoever restores them");
	}
	if (io_grow(&c->all, c->count, sizeof(*c->all), e) < 0)
		return e->code;
	c->all[c->count++] = (struct rhierarchy){
		.name = name, .local = m->hierarchy, .home = m->path, .root = -1
	};
	return 0;
}

/* What all of them lie in. */
static const char *common(struct restore *r, const char *a, const char *b)
{
	size_t same = 0, end = 0;

	for (; a[same] && a[same] == b[same]; same++)
		if (a[same] == '/')
			end = same;
	if ((!a[same] || a[same] == '/') && (!b[same] || b[same] == '/'))
		end = same;
	return pool_format(&r->pool, "%.*s", (int)end, a);
}

static char *joined(struct restore *r, char **names, size_t count)
{
	char *all = names[0];

	for (size_t i = 1; i < count; i++)
		all = pool_format(&r->pool, "%s,%s", all, names[i]);
	return all;
}

static void find_from(struct restore *r, const CgControllerEntry *c, struct rhierarchy *h)
{
	for (size_t i = 0; i < c->n_dirs; i++) {
		const char *top = pool_format(&r->pool, "/%s", c->dirs[i]->dir_name);

		h->from = h->from ? common(r, h->from, top) : top;
	}
}

/* --cgroup-root */
static void find_to(const struct restore *r, struct rhierarchy *h)
{
	bool own = false;

	for (size_t i = 0; i < r->opt->cgroup_root_count; i++) {
		const struct cgroup_root *root = &r->opt->cgroup_roots[i];
		bool named = root->controller && cgroup_has(h->local, root->controller);

		if (named || (!root->controller && !own))
			h->to = root->path;
		own |= named;
	}
}

static int find_hierarchies(struct restore *r, struct err *e)
{
	const CgroupEntry *image = r->cgroups->image;
	struct cgroup_members here;
	own_mem char *text = NULL;

	if (io_slurp(AT_FDCWD, "/proc/self/cgroup", &text, NULL, e) < 0 ||
	    cgroup_members_parse(&here, &r->pool, text, e) < 0)
		return e->code;
	for (size_t i = 0; i < image->n_sets; i++)
		for (size_t k = 0; k < image->sets[i]->n_ctls; k++)
			if (add_hierarchy(r, &here, image->sets[i]->ctls[k]->name, e) < 0)
				return e->code;
	for (size_t i = 0; i < image->n_controllers; i++) {
		const CgControllerEntry *c = image->controllers[i];
		const char *name = joined(r, c->cnames, c->n_cnames);

		if (add_hierarchy(r, &here, name, e) < 0)
			return e->code;
		find_from(r, c, rcgroups_hierarchy(r->cgroups, name));
	}
	for (size_t i = 0; i < r->cgroups->count; i++)
		find_to(r, &r->cgroups->all[i]);
	return 0;
}

/* A dump by somebody without rights has no number for what it was in itself. */
int rcgroups_load(struct restore *r, struct err *e)
{
	if (r->opt->cgroup_mode == CGROUPS_IGNORE || !r->inventory->has_root_cg_set)
		return 0;
	r->cgroups = pool_new(&r->pool, struct rcgroups);
	r->cgroups->own_set = r->inventory->root_cg_set;
	if (image_load(r->images, IMG_CGROUP, 0, &r->cgroups->image, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
	}
	if (check(r, e) < 0)
		return e->code;
	return r->cgroups->image ? find_hierarchies(r, e) : 0;
}

void rcgroups_close(struct restore *r)
{
	struct rcgroups *c = r->cgroups;

	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		own_close(&c->all[i].root);
	free(c->all);
	free(c->settings);
	free(c->made);
	image_message_free(&c->image);
	r->cgroups = NULL;
}

int rcgroups_open(struct restore *r, struct rhierarchy *h, struct err *e)
{
	return h->root >= 0 ? 0 : cgroup_open(h->local, r->opt->cgroup_yard, &h->root, e);
}

const char *rcgroups_path(struct restore *r, const struct rhierarchy *h, const char *path)
{
	size_t length = h->from ? strlen(h->from) : 0;

	if (!h->to || !h->from || strncmp(path, h->from, length) != 0 ||
	    (path[length] && path[length] != '/'))
		return path;
	return pool_format(&r->pool, "%s%s", h->to[1] || !path[length] ? h->to : "", path + length);
}

/* Where a member of the set is; of our own that is where we are. */
static const char *place(struct restore *r, const struct rhierarchy *h, uint32_t set)
{
	const CgSetEntry *s = find_set(r->cgroups, set);

	for (size_t i = 0; s && i < s->n_ctls; i++)
		if (strcmp(s->ctls[i]->name, h->name) == 0)
			return rcgroups_path(r, h, s->ctls[i]->path);
	return h->home;
}

static bool is_threaded(const struct rhierarchy *h, const char *path)
{
	own_fd dir = openat(h->root, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err ignored = { 0 };
	own_mem char *type = NULL;

	return cgroup_is_v2(h->local) && dir >= 0 &&
	       io_slurp(dir, "cgroup.type", &type, NULL, &ignored) == 0 &&
	       strcmp(type, "threaded\n") == 0;
}

static int write_to(const struct rhierarchy *h, const char *path, const char *file, int tid,
		    struct err *e)
{
	own_fd dir = openat(h->root, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char number[16];

	snprintf(number, sizeof(number), "%d", tid);
	if (dir < 0 ? err_sys(e, "open it") < 0 : io_put(dir, file, number, e) < 0)
		return err_on(e, "pid %d into the cgroup '%s' of '%s'", tid, path,
			      cgroup_words(h->local));
	return 0;
}

int rcgroups_attach_process(struct restore *r, struct rhierarchy *h, const char *path, int pid,
			    struct err *e)
{
	char *domain = pool_text(&r->pool, path);

	while (is_threaded(h, domain))
		*strrchr(domain, '/') = 0;
	if (write_to(h, *domain ? domain : "/", "cgroup.procs", pid, e) < 0)
		return e->code;
	return strcmp(domain, path) == 0 ? 0 : write_to(h, path, "cgroup.threads", pid, e);
}

static int attach(struct restore *r, const struct rthread *th, uint32_t from, struct err *e)
{
	struct rcgroups *c = r->cgroups;
	uint32_t to = set_of(th);

	for (size_t i = 0; to != from && i < c->count; i++) {
		struct rhierarchy *h = &c->all[i];
		const char *path = place(r, h, to);
		int res;

		if (strcmp(path, place(r, h, from)) == 0)
			continue;
		if (rcgroups_open(r, h, e) < 0)
			return e->code;
		res = th == &th->task->threads[0] ?
			      rcgroups_attach_process(r, h, path, th->here, e) :
			      write_to(h, path, cgroup_is_v2(h->local) ? "cgroup.threads" : "tasks",
				       th->here, e);
		if (res < 0)
			return res;
	}
	return 0;
}

/* Zombies and helpers are where they were born. */
static bool moves(const struct rtask *t)
{
	return !t->helper && t->state != 2;
}

static uint32_t born_in(const struct rtask *t)
{
	for (const struct rtask *c = t->creator; c; c = c->creator)
		if (moves(c))
			return set_of(&c->threads[0]);
	return t->restore->cgroups->own_set;
}

int rcgroups_attach(const struct rtask *t, struct err *e)
{
	const struct rcgroups *c = t->restore->cgroups;

	if (!c || !c->image || t->restore->opt->dry_run || !moves(t))
		return 0;
	return attach(t->restore, &t->threads[0], born_in(t), e);
}

int rcgroups_attach_threads(struct restore *r, struct err *e)
{
	if (!r->cgroups || !r->cgroups->image || r->opt->dry_run)
		return 0;
	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *t = r->tasks[i];

		for (size_t k = 1; t->state != 2 && k < t->thread_count; k++)
			if (attach(r, &t->threads[k], set_of(&t->threads[0]), e) < 0)
				return e->code;
	}
	return 0;
}
