/*
 * The cgroup namespace of the tree. It begins where its maker is at that moment, so a child of ours goes there for it, when the
 * groups have been made, and is gone before the first task is born.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "restore/cgroups.h"
#include "restore/load.h"
#include "restore/ns.h"

/* That of the root of the tree. NULL: it was where the dumper was. */
static const CgSetEntry *set_of_root(const struct restore *r)
{
	return r->cgroups && r->cgroups->image ? rcgroups_set_of(&r->tasks[0]->threads[0]) : NULL;
}

/* Here, of this member; NULL: it has none. */
static const char *root_here(struct restore *r, const struct rhierarchy *h, const CgMemberEntry *m,
			     struct err *e)
{
	const char *path = rcgroups_path(r, h, m->path), *end = m->path + m->cgns_prefix;
	size_t length = strlen(path), below = strlen(end);

	if (!m->path[1] || below > length || strcmp(path + length - below, end) != 0) {
		if (!m->path[1])
			return "/";
		err_say(e, "the cgroup namespace begins above '%s', which is '%s' here", m->path,
			path);
		err_hint(e, "--cgroup-root has to end with '%s'", end);
		return NULL;
	}
	return below == length ? "/" : pool_format(&r->pool, "%.*s", (int)(length - below), path);
}

static int move(struct restore *r, const CgMemberEntry *m, int child, struct err *e)
{
	struct rhierarchy *h = rcgroups_hierarchy(r->cgroups, m->name);
	const char *path = h ? root_here(r, h, m, e) : NULL;

	if (!path || strcmp(path, h->home) == 0)
		return e->code;
	if (rcgroups_open(r, h, e) < 0)
		return e->code;
	if (rcgroups_attach_process(r, h, path, child, e) < 0)
		return e->code != -EBUSY ?
			       e->code :
			       err_hint(e,
					"groups that pass controllers on take nobody: remove it");
	return 0;
}

static int go_there(void *arg, int child, struct err *e)
{
	struct restore *r = arg;
	const CgSetEntry *s = set_of_root(r);

	for (size_t i = 0; s && i < s->n_ctls; i++)
		if (s->ctls[i]->has_cgns_prefix && move(r, s->ctls[i], child, e) < 0)
			return e->code;
	return 0;
}

static int begin(void *)
{
	return unshare(CLONE_NEWCGROUP) < 0 ? errno : 0;
}

int rcgroups_make_namespace(struct restore *r, struct err *e)
{
	const struct namespace_birth b = { "cgroup", r->ns->fd[NS_USER], go_there, begin, NULL, r };

	if (!rns_is_own(r, NS_CGROUP) || r->opt->dry_run)
		return 0;
	return namespace_make(&b, &r->ns->fd[NS_CGROUP], e);
}

const struct ns_restore_kind cgroup_ns_restore_kind = {
	.name = "ns/cgroup",
	.kind = NS_CGROUP,
	.elsewhere = true,
};
