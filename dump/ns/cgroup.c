/*
 * The cgroup namespace: in each hierarchy there is a group that those who live in it see as the root. What /proc/PID/cgroup says
 * to somebody of the namespace is the end of what it says to us; where that begins the namespace does (cgns_prefix).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dump/cgroups.h"
#include "dump/ns.h"
#include "lib/io.h"

struct look {
	struct thread *th;
	struct cgroup_members *ret;
};

/* Inside. */
static int read_members(void *arg, struct err *e)
{
	const struct look *l = arg;
	own_mem char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "task/%d/cgroup", l->th->tid);
	if (io_slurp(l->th->task->proc_fd, path, &text, NULL, e) < 0)
		return e->code;
	return cgroup_members_parse(l->ret, &l->th->task->dump->pool, text, e);
}

/* How much of 'path' is the root of the namespace; -1: the group is not below it. */
static int prefix_of(const char *path, const char *inner)
{
	size_t length = strlen(path), end = strcmp(inner, "/") == 0 ? 0 : strlen(inner);

	if (strncmp(inner, "/..", 3) == 0 || end > length ||
	    strcmp(path + length - end, end ? inner : "") != 0)
		return -1;
	return strcmp(path, "/") == 0 ? 0 : (int)(length - end);
}

static int find_prefix(const struct thread *th, const struct cgroup_members *inner,
		       struct cgroup_member *m, struct err *e)
{
	const struct cgroup_member *i = cgroup_member_find(inner, m->hierarchy);

	m->prefix = i ? prefix_of(m->path, i->path) : -1;
	if (m->prefix >= 0)
		return 0;
	err_code(e, ENOTSUP, "the cgroup of pid %d (%s) is not below the root of its namespace",
		 th->tid, cgroup_words(m->hierarchy));
	return err_hint(e, "move it, or use --manage-cgroups=ignore");
}

int cgroups_prefixes(struct thread *th, struct cgroup_set *s, struct err *e)
{
	struct dump *d = th->task->dump;
	struct cgroup_members inner;
	struct look l = { th, &inner };

	if (!ns_is_own(d, NS_CGROUP))
		return 0;
	if (ns_run(d, NS_CGROUP, read_members, &l, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->members.count; i++)
		if (find_prefix(th, &inner, &s->members.all[i], e) < 0)
			return e->code;
	return 0;
}

const struct ns_kind cgroup_ns_kind = { .name = "ns/cgroup", .kind = NS_CGROUP };
