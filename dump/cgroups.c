/* Sets of control groups that threads are in; see cgroups.h. */
#include "dump/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump/ns.h"
#include "images/image.h"
#include "lib/io.h"

static int add_set(struct dump *d, const char *text, struct cgroup_set **ret, struct err *e)
{
	struct cgroups *c = d->cgroups;
	struct cgroup_set *s;

	if (io_grow(&c->sets, c->count, sizeof(*c->sets), e) < 0)
		return e->code;
	s = *ret = &c->sets[c->count];
	*s = (struct cgroup_set){ .id = c->count + OWN_CGROUPS, .text = pool_text(&d->pool, text) };
	if (cgroup_members_parse(&s->members, &d->pool, text, e) < 0)
		return e->code;
	c->count++;
	return 0;
}

static int begin(struct dump *d, struct err *e)
{
	own_mem char *own = NULL;
	struct cgroup_set *set;

	if (d->cgroups)
		return 0;
	if (io_slurp(AT_FDCWD, "/proc/self/cgroup", &own, NULL, e) < 0)
		return e->code;
	d->cgroups = pool_new(&d->pool, struct cgroups);
	return add_set(d, own, &set, e);
}

/* Paths that lead out of our cgroup namespace begin so. A group with a task in it cannot be removed. */
static int check(const struct thread *th, const struct cgroup_set *s, struct err *e)
{
	for (size_t i = 0; i < s->members.count; i++) {
		const struct cgroup_member *m = &s->members.all[i];

		if (strncmp(m->path, "/..", 3) != 0)
			continue;
		err_code(e, ENOTSUP,
			 "the cgroup of pid %d (%s) is outside of the cgroup namespace of stasis",
			 th->tid, cgroup_words(m->hierarchy));
		return err_hint(e, "run stasis outside of it, or use --manage-cgroups=ignore");
	}
	return 0;
}

/*
 * Whether those who are where we are have to be nowhere in particular at the restore: not if they have a cgroup namespace that
 * begins above.
 */
static bool is_as_ours(struct thread *th, struct cgroup_set *own)
{
	struct err ignored = { 0 };

	if (!ns_is_own(th->task->dump, NS_CGROUP))
		return true;
	if (cgroups_prefixes(th, own, &ignored) < 0)
		return false;
	for (size_t i = 0; i < own->members.count; i++) {
		const struct cgroup_member *m = &own->members.all[i];

		if (m->path[1] && m->path[m->prefix])
			return false;
	}
	return true;
}

static int find_set(struct thread *th, const char *text, struct cgroup_set **ret, struct err *e)
{
	struct dump *d = th->task->dump;

	/* Most are in the one that was found last. */
	for (size_t i = d->cgroups->count; i-- > 0;) {
		*ret = &d->cgroups->sets[i];
		if (strcmp((*ret)->text, text) == 0 && (i > 0 || is_as_ours(th, *ret)))
			return 0;
	}
	if (add_set(d, text, ret, e) < 0 || check(th, *ret, e) < 0)
		return e->code;
	return cgroups_prefixes(th, *ret, e);
}

/*
 * Nearly all threads are where the one before them was. The kernel makes the whole text anew for each read(), so for these the
 * one that would say that there is no more is spared: each text ends with the line of the same hierarchy.
 */
static bool is_in_last(const struct task *t, const char *path)
{
	const struct cgroups *c = t->dump->cgroups;
	const char *last = c->sets[c->count - 1].text;
	own_fd fd = openat(t->proc_fd, path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	return n >= 0 && (size_t)n == strlen(last) && memcmp(buf, last, n) == 0;
}

static int read_set(struct thread *th, struct cgroup_set **ret, struct err *e)
{
	struct dump *d = th->task->dump;
	own_mem char *text = NULL;
	char path[64];

	if (begin(d, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "task/%d/cgroup", th->tid);
	if (is_in_last(th->task, path)) {
		*ret = &d->cgroups->sets[d->cgroups->count - 1];
		return 0;
	}
	if (io_slurp(th->task->proc_fd, path, &text, NULL, e) < 0)
		return e->code;
	return find_set(th, text, ret, e);
}

int cgroups_read(struct thread *th, struct err *e)
{
	struct cgroup_set *set;

	th->core->thread_core->has_cg_set = 1;
	th->core->thread_core->cg_set = OWN_CGROUPS;
	if (th->task->dump->opt->cgroup_mode == CGROUPS_IGNORE)
		return 0;
	if (read_set(th, &set, e) < 0)
		return e->code;
	th->core->thread_core->cg_set = set->id;
	return 0;
}

void cgroups_free(struct dump *d)
{
	if (d->cgroups)
		free(d->cgroups->sets);
	d->cgroups = NULL;
}

static CgSetEntry *set_entry(struct dump *d, const struct cgroup_set *s)
{
	CgSetEntry *entry = pool_new(&d->pool, CgSetEntry);

	cg_set_entry__init(entry);
	entry->id = s->id;
	entry->ctls = pool_array(&d->pool, CgMemberEntry *, s->members.count);
	for (size_t i = 0; i < s->members.count; i++) {
		CgMemberEntry *m = pool_new(&d->pool, CgMemberEntry);

		cg_member_entry__init(m);
		m->name = s->members.all[i].hierarchy;
		m->path = s->members.all[i].path;
		m->has_cgns_prefix = ns_is_own(d, NS_CGROUP);
		m->cgns_prefix = s->members.all[i].prefix;
		entry->ctls[entry->n_ctls++] = m;
	}
	return entry;
}

static bool is_wanted(const struct dump *d, const char *hierarchy)
{
	const struct string_list *only = &d->opt->cgroup_controllers;

	for (size_t i = 0; i < only->count; i++)
		if (cgroup_has(hierarchy, only->item[i]))
			return true;
	return only->count == 0;
}

static char **names_of(struct dump *d, const char *hierarchy, size_t *ret_count)
{
	char *rest = pool_text(&d->pool, hierarchy), *name, **all;
	size_t room = 1;

	for (const char *c = hierarchy; *c; c++)
		room += *c == ',';
	all = pool_array(&d->pool, char *, room);
	while ((name = strsep(&rest, ",")))
		all[(*ret_count)++] = name;
	return all;
}

static int add_hierarchy(struct dump *d, CgroupEntry *image, const char *hierarchy, struct err *e)
{
	CgControllerEntry *c = pool_new(&d->pool, CgControllerEntry);

	cg_controller_entry__init(c);
	c->cnames = names_of(d, hierarchy, &c->n_cnames);
	if (cgroups_collect(d, hierarchy, c, e) < 0)
		return err_on(e, "the cgroups of '%s'", cgroup_words(hierarchy));
	if (c->n_dirs)
		image->controllers[image->n_controllers++] = c;
	return 0;
}

int cgroups_save(struct dump *d, struct err *e)
{
	const struct cgroups *c = d->cgroups;
	const struct cgroup_members *own;
	CgroupEntry image = CGROUP_ENTRY__INIT;

	if (!c || c->count < 2)
		return 0;
	own = &c->sets[0].members;
	image.sets = pool_array(&d->pool, CgSetEntry *, c->count);
	for (size_t i = 1; i < c->count; i++)
		image.sets[image.n_sets++] = set_entry(d, &c->sets[i]);
	image.controllers = pool_array(&d->pool, CgControllerEntry *, own->count);
	for (size_t i = 0; i < own->count; i++)
		if (is_wanted(d, own->all[i].hierarchy) &&
		    add_hierarchy(d, &image, own->all[i].hierarchy, e) < 0)
			return e->code;
	return image_save(d->images, IMG_CGROUP, 0, &image, e);
}
