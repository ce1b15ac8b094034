/*
 * Which namespaces the tree has of its own; see ns.h. What is asked in one of them is asked by a thread of ours that goes there
 * (lib/namespaces.h): nothing of ours is in the tree for it, and nothing of ours moves.
 */
#include "dump/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dump/mounts.h"
#include "lib/proc.h"

static const struct ns_kind *kind_of(enum ns kind)
{
	for (size_t i = 0; i < ns_kind_count; i++)
		if (ns_kinds[i]->kind == kind)
			return ns_kinds[i];
	return NULL;
}

bool ns_is_own(const struct dump *d, enum ns kind)
{
	return d->ns && d->ns->fd[kind] >= 0;
}

int ns_run(struct dump *d, enum ns kind, int (*run)(void *arg, struct err *e), void *arg,
	   struct err *e)
{
	if (!ns_is_own(d, kind))
		return run(arg, e);
	return namespace_run(&d->ns->fd[kind], 1, run, arg, e);
}

bool ns_of_sockets(const struct dump *d, uint32_t *ret_id)
{
	*ret_id = ns_is_own(d, NS_NET) ? d->ns->id[NS_NET] : 0;
	return *ret_id;
}

int ns_visit(struct dump *d, enum ns kind, int (*run)(void *arg, struct err *e), void *arg,
	     struct err *e)
{
	if (!ns_is_own(d, kind))
		return run(arg, e);
	return namespace_visit(kind, d->ns->fd[kind], run, arg, e);
}

bool ns_nets_differ(const struct task *t)
{
	struct err ignored = { 0 };
	own_fd self = -1;

	return proc_open(getpid(), &self, &ignored) == 0 &&
	       namespace_of(self, "net") != namespace_of(t->proc_fd, "net");
}

void ns_close(struct dump *d)
{
	for (int i = 0; d->ns && i < NS_COUNT; i++)
		own_close(&d->ns->fd[i]);
	d->ns = NULL;
	dmounts_close(d);
}

/* 0: the namespace is ours. */
static int open_own(struct dump *d, const struct task *root, enum ns kind, struct err *e)
{
	const char *name = namespace_kinds[kind].name;
	unsigned long ino = d->ns->ino[kind];
	char path[32];

	if (!kind_of(kind)) {
		err_code(e, ENOTSUP,
			 "pid %d lives in a %s namespace of its own (%s:[%lu]), which is "
			 "not supported yet",
			 root->pid, name, name, ino);
		return err_hint(e, "run stasis inside that namespace");
	}
	snprintf(path, sizeof(path), "ns/%s", name);
	d->ns->fd[kind] = openat(root->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (d->ns->fd[kind] < 0)
		return err_sys(e, "open '/proc/%d/%s'", root->pid, path);
	return 0;
}

static void begin(struct dump *d)
{
	d->ns = pool_new(&d->pool, struct dump_namespaces);
	for (int i = 0; i < NS_COUNT; i++)
		d->ns->fd[i] = -1;
}

int ns_read(struct dump *d, struct err *e)
{
	const struct task *root = d->tasks[0];
	own_fd self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint32_t last = NS_COUNT;

	if (self < 0)
		return err_sys(e, "open '/proc/self'");
	ns_close(d);
	begin(d);
	for (enum ns k = 0; k < NS_COUNT; k++) {
		const char *name = namespace_kinds[k].name;

		d->ns->ino[k] = namespace_of(root->proc_fd, name);
		d->ns->id[k] = namespace_kinds[k].own_id;
		if (d->ns->ino[k] == namespace_of(self, name))
			continue;
		d->ns->id[k] = ++last;
		if (open_own(d, root, k, e) < 0)
			return e->code;
	}
	if (ns_read_pids(d, e) < 0)
		return e->code;
	for (size_t i = 0; i < ns_kind_count; i++)
		if (ns_is_own(d, ns_kinds[i]->kind) && !d->only_memory && ns_kinds[i]->check &&
		    ns_kinds[i]->check(d, e) < 0)
			return err_on(e, "the %s namespace of pid %d",
				      namespace_kinds[ns_kinds[i]->kind].name, root->pid);
	return 0;
}

/* Where its children are going to live. */
static int check_children(const struct task *t, enum ns kind, struct err *e)
{
	char name[32];
	ino_t its;

	snprintf(name, sizeof(name), "%s_for_children", namespace_kinds[kind].name);
	its = namespace_of(t->proc_fd, name);
	if (its == t->dump->ns->ino[kind] || (its == 0 && kind == NS_TIME))
		return 0;
	return err_code(e, ENOTSUP,
			"children of pid %d are to live in another %s namespace, which is not "
			"supported",
			t->pid, namespace_kinds[kind].name);
}

int ns_number(struct task *t, struct err *e)
{
	const struct dump_namespaces *ns = t->dump->ns;

	for (enum ns k = 0; k < NS_COUNT; k++) {
		const char *name = namespace_kinds[k].name;
		ino_t its = namespace_of(t->proc_fd, name);

		ns_ids_set(t->ids, k, ns->id[k]);
		if (its == ns->ino[k])
			continue;
		err_code(e, ENOTSUP,
			 "pid %d lives in a %s namespace of its own (%s:[%lu]), which is "
			 "not supported yet",
			 t->pid, name, name, (unsigned long)its);
		return err_hint(e,
				"all tasks of a tree have to live in the namespaces of its root");
	}
	return check_children(t, NS_PID, e) < 0 ? e->code : check_children(t, NS_TIME, e);
}

static int save(struct dump *d, const struct ns_kind *k, bool last, struct err *e)
{
	int (*run)(struct dump * d, uint32_t id, struct err * e) = last ? k->save_last : k->save;
	bool own = ns_is_own(d, k->kind);

	if (!run || (!own && !k->ours_too))
		return 0;
	if (run(d, own ? d->ns->id[k->kind] : 0, e) < 0)
		return err_on(e, "the %s namespace of pid %d", namespace_kinds[k->kind].name,
			      d->tasks[0]->pid);
	return 0;
}

int ns_save(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < ns_kind_count; i++)
		if (save(d, ns_kinds[i], false, e) < 0)
			return e->code;
	return 0;
}

int ns_save_last(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < ns_kind_count; i++)
		if (save(d, ns_kinds[i], true, e) < 0)
			return e->code;
	return 0;
}
