/* Making the namespaces that a tree has of its own; see ns.h. */
#include "restore/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "images/ns_ids.h"

static const struct ns_restore_kind *kind_of(enum ns kind)
{
	for (size_t i = 0; i < ns_restore_kind_count; i++)
		if (ns_restore_kinds[i]->kind == kind)
			return ns_restore_kinds[i];
	return NULL;
}

bool rns_is_own(const struct restore *r, enum ns kind)
{
	return r->ns && r->ns->id[kind];
}

int rns_run(struct restore *r, enum ns kind, int (*run)(void *arg, struct err *e), void *arg,
	    struct err *e)
{
	if (!r->ns || r->ns->fd[kind] < 0)
		return run(arg, e);
	return namespace_run(&r->ns->fd[kind], 1, run, arg, e);
}

int rns_visit(struct restore *r, enum ns kind, int (*run)(void *arg, struct err *e), void *arg,
	      struct err *e)
{
	if (!r->ns || r->ns->fd[kind] < 0)
		return run(arg, e);
	return namespace_visit(kind, r->ns->fd[kind], run, arg, e);
}

/* The number of one that is not the dumper's, 0: it is, or the images know of none. */
static uint32_t own_id(const struct restore *r, const struct rtask *t, enum ns kind)
{
	const TaskKobjIdsEntry *dumper = r->inventory->root_ids;
	uint32_t id = ns_ids_get(t->ids, kind), ours = ns_ids_get(dumper, kind);

	if (r->opt->join_ns[kind] && kind != NS_NET)
		return 0;
	/* A kernel without such namespaces: both do not say. */
	if (id == ours || (ours == 0 && (kind == NS_TIME || kind == NS_CGROUP)))
		return 0;
	return id;
}

static int check_task(const struct restore *r, const struct rtask *t, struct err *e)
{
	for (enum ns k = 0; t->ids && k < NS_COUNT; k++) {
		uint32_t id = own_id(r, t, k);

		if (id && !kind_of(k))
			return err_code(e, ENOTSUP,
					"pid %d was saved in a %s namespace of its own, which is "
					"not supported yet",
					t->pid, namespace_kinds[k].name);
		if (id != r->ns->id[k])
			return err_code(e, ENOTSUP,
					"pid %d was saved in another %s namespace than pid %d, "
					"which is not supported yet",
					t->pid, namespace_kinds[k].name, r->tasks[0]->pid);
	}
	return 0;
}

/* What somebody else has made is none of ours: it is entered, and left as it is. */
static int join(struct restore *r, enum ns kind, struct err *e)
{
	const char *path = r->opt->join_ns[kind];

	if (!path || kind == NS_NET) /* restore/ns/net.c */
		return 0;
	r->ns->fd[kind] = open(path, O_RDONLY | O_CLOEXEC);
	if (r->ns->fd[kind] < 0)
		return err_sys(e, "open '%s' (--join-ns)", path);
	if (ioctl(r->ns->fd[kind], NS_GET_NSTYPE) == (int)namespace_kinds[kind].flag)
		return 0;
	return err_say(e, "'%s' (--join-ns) is no %s namespace", path, namespace_kinds[kind].name);
}

int rns_load(struct restore *r, struct err *e)
{
	const struct rtask *root = r->tasks[0];

	r->ns = pool_new(&r->pool, struct rnamespaces);
	r->ns->pid_fd = -1;
	for (enum ns k = 0; k < NS_COUNT; k++) {
		r->ns->fd[k] = -1;
		r->ns->id[k] = root->ids ? own_id(r, root, k) : 0;
	}
	for (enum ns k = 0; k < NS_COUNT; k++)
		if (join(r, k, e) < 0)
			return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (check_task(r, r->tasks[i], e) < 0)
			return e->code;
	/* Where the tree lived does not matter then. */
	if (r->opt->join_ns[NS_NET] && !r->ns->id[NS_NET])
		r->ns->id[NS_NET] = namespace_kinds[NS_NET].own_id;
	for (size_t i = 0; i < ns_restore_kind_count; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];

		if (r->ns->id[k->kind] && k->load && k->load(r, r->ns->id[k->kind], e) < 0)
			return err_on(e, "%s", k->name);
	}
	return 0;
}

/* By a thread that leaves ours for it, and is gone afterwards. */
static int make_in_thread(void *restore, struct err *e)
{
	struct restore *r = restore;
	char path[48];

	for (size_t i = 0; i < ns_restore_kind_count; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];
		const struct namespace_kind *n = &namespace_kinds[k->kind];

		if (!r->ns->id[k->kind] || k->make || k->elsewhere)
			continue;
		if (unshare((int)n->flag) < 0)
			return err_sys(e, "make a %s namespace", n->name);
		snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", n->name);
		r->ns->fd[k->kind] = open(path, O_RDONLY | O_CLOEXEC);
		if (r->ns->fd[k->kind] < 0)
			return err_sys(e, "open '%s'", path);
		if (k->fill && k->fill(r, e) < 0)
			return err_on(e, "%s", k->name);
	}
	return 0;
}

static int unshare_one(void *kind)
{
	return unshare((int)namespace_kinds[((const struct ns_restore_kind *)kind)->kind].flag) <
			       0 ?
		       errno :
		       0;
}

struct job {
	struct restore *r;
	int (*run)(struct restore *r, struct err *e);
};

static int run_job(void *arg, struct err *e)
{
	const struct job *j = arg;

	return j->run(j->r, e);
}

/* A thread cannot go into the user namespace of the tree, to which they are to belong. */
static int make_in_user_ns(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < ns_restore_kind_count; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];
		struct job j = { r, k->fill };
		const struct namespace_birth b = { .link = namespace_kinds[k->kind].name,
						   .user_fd = r->ns->fd[NS_USER],
						   .make = unshare_one,
						   .arg = (void *)k };

		if (!r->ns->id[k->kind] || k->make || k->elsewhere)
			continue;
		if (namespace_make(&b, &r->ns->fd[k->kind], e) < 0 ||
		    (k->fill && rns_run(r, k->kind, run_job, &j, e) < 0))
			return err_on(e, "%s", k->name);
	}
	return 0;
}

int rns_make(struct restore *r, struct err *e)
{
	if (r->opt->dry_run)
		return 0;
	for (size_t i = 0; i < ns_restore_kind_count; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];

		if (r->ns->id[k->kind] && k->make && k->make(r, &r->ns->fd[k->kind], e) < 0)
			return err_on(e, "%s", k->name);
	}
	if ((rns_is_own(r, NS_USER) ? make_in_user_ns(r, e) :
				      namespace_run(NULL, 0, make_in_thread, r, e)) < 0)
		return e->code;
	return rns_tell(r, e);
}

int rns_populate(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < ns_restore_kind_count; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];
		struct job j = { r, k->populate };

		if (r->ns->id[k->kind] && j.run && rns_run(r, k->kind, run_job, &j, e) < 0)
			return err_on(e, "%s", k->name);
	}
	return 0;
}

int rns_done(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < ns_restore_kind_count && !r->opt->dry_run; i++) {
		const struct ns_restore_kind *k = ns_restore_kinds[i];
		struct job j = { r, k->done };

		if (r->ns->id[k->kind] && k->done && rns_run(r, k->kind, run_job, &j, e) < 0)
			return err_on(e, "%s", k->name);
	}
	return 0;
}

int rns_enter(const struct restore *r)
{
	for (enum ns k = 0; r->ns && k < NS_COUNT; k++)
		if (r->ns->fd[k] >= 0 && k != NS_USER &&
		    setns(r->ns->fd[k], (int)namespace_kinds[k].flag) < 0)
			return -errno;
	return 0;
}

void rns_close(struct restore *r)
{
	for (int i = 0; r->ns && i < NS_COUNT; i++)
		own_close(&r->ns->fd[i]);
	if (r->ns)
		own_close(&r->ns->pid_fd);
	for (size_t i = 0; r->ns && i < ns_restore_kind_count; i++)
		if (ns_restore_kinds[i]->close)
			ns_restore_kinds[i]->close(r);
	r->ns = NULL;
}
