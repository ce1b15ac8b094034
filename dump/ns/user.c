/*
 * The user namespace: its maps, who made it, and whether groups may be set. The other namespaces of the tree have to belong to it,
 * as they do if they were made inside, or with it.
 *
 * Credentials are asked inside, and are in its numbers (dump/task/creds.c). Owners of files and of other objects are looked at from
 * outside, and made again from outside.
 */
#include <errno.h>
#include <linux/nsfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/user.pb-c.h"
#include "images/ns/user_extra.pb-c.h"
#include "lib/io.h"

enum { EXTENTS = 340 }; /* the kernel takes no more */

static int check_owner(const struct dump *d, enum ns kind, struct err *e)
{
	const char *name = namespace_kinds[kind].name;
	own_fd owner = ioctl(d->ns->fd[kind], NS_GET_USERNS);
	struct stat st;

	if (owner < 0 || fstat(owner, &st) < 0)
		return err_sys(e, "ask whom the %s namespace belongs to", name);
	if (st.st_ino == d->ns->ino[NS_USER])
		return 0;
	return err_code(
		e, ENOTSUP,
		"the %s namespace of the tree belongs to another one, which is not supported",
		name);
}

static int check_kind(const struct dump *d, enum ns kind, struct err *e)
{
	if (!ns_is_own(d, kind) || kind == NS_USER)
		return 0;
	if (kind == NS_MNT || kind == NS_NET)
		return err_code(e, ENOTSUP,
				"the tree has a %s namespace of its own as well, which is not "
				"supported yet",
				namespace_kinds[kind].name);
	return check_owner(d, kind, e);
}

static int read_map(const struct dump *d, const char *name, UidGidExtent ***ret, size_t *ret_count,
		    struct err *e)
{
	struct pool *pool = (struct pool *)&d->pool;
	own_mem char *text = NULL;
	char *rest, *line;

	if (io_slurp(d->tasks[0]->proc_fd, name, &text, NULL, e) < 0)
		return e->code;
	rest = text;
	*ret = pool_array(pool, UidGidExtent *, EXTENTS);
	while ((line = strsep(&rest, "\n")) && *ret_count < EXTENTS) {
		UidGidExtent *m = pool_new(pool, UidGidExtent);

		uid_gid_extent__init(m);
		if (sscanf(line, "%u %u %u", &m->first, &m->lower_first, &m->count) == 3)
			(*ret)[(*ret_count)++] = m;
	}
	return 0;
}

struct maps_of {
	UidGidExtent **users, **groups;
	size_t user_count, group_count;
};

static int read_maps(const struct dump *d, struct maps_of *ret, struct err *e)
{
	if (read_map(d, "uid_map", &ret->users, &ret->user_count, e) < 0)
		return e->code;
	return read_map(d, "gid_map", &ret->groups, &ret->group_count, e);
}

static bool holds(UidGidExtent *const *map, size_t count, uint32_t id, bool inside)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t first = inside ? map[i]->first : map[i]->lower_first;

		if (id >= first && id - first < map[i]->count)
			return true;
	}
	return false;
}

/* False: the line has no more. */
static bool next_number(const char **at, uint32_t *ret)
{
	char *end;

	*at += strspn(*at, " \t");
	if (**at < '0' || **at > '9')
		return false;
	*ret = strtoul(*at, &end, 10);
	*at = end;
	return true;
}

/* All numbers of a line of /proc/PID/status; *ret is the first that is not mapped. */
static bool line_is_mapped(const char *status, const char *key, UidGidExtent *const *map,
			   size_t count, uint32_t *ret)
{
	const char *at = strstr(status, key);

	for (at = at ? at + strlen(key) : ""; next_number(&at, ret);)
		if (!holds(map, count, *ret, false))
			return false;
	return true;
}

static int read_status(const struct thread *th, char **ret, struct err *e)
{
	char path[48];

	snprintf(path, sizeof(path), "task/%d/status", th->tid);
	return io_slurp(th->task->proc_fd, path, ret, NULL, e);
}

static const char groups_key[] = "\nGroups:\t";

static bool same_groups(const char *one, const char *other)
{
	const char *a = strstr(one, groups_key), *b = strstr(other, groups_key);
	size_t length = a ? strcspn(a + 1, "\n") : 0;

	return a && b && strncmp(a, b, length + 2) == 0;
}

/* Somebody who is not in the maps could not be had again from inside. root: the first thread's, if groups are to stay as they are. */
static int check_thread(const struct thread *th, const struct maps_of *m, const char *root,
			struct err *e)
{
	own_mem char *status = NULL;
	uint32_t id = 0;

	if (read_status(th, &status, e) < 0)
		return e->code;
	if (!line_is_mapped(status, "\nUid:\t", m->users, m->user_count, &id))
		return err_code(e, ENOTSUP, "thread %d has the user %u, of whom it knows nothing",
				th->tid, id);
	if (root && !same_groups(root, status))
		return err_code(e, ENOTSUP,
				"thread %d has other groups than pid %d, some of which cannot be "
				"set inside",
				th->tid, th->task->dump->tasks[0]->pid);
	if (!line_is_mapped(status, "\nGid:\t", m->groups, m->group_count, &id) ||
	    (!root && !line_is_mapped(status, groups_key, m->groups, m->group_count, &id)))
		return err_code(e, ENOTSUP, "thread %d has the group %u, of which it knows nothing",
				th->tid, id);
	return 0;
}

/* Groups that nobody may set, or that are not mapped, are there before anybody comes in. */
static int keeps_groups(const struct dump *d, const struct maps_of *m, bool *ret, char **ret_status,
			struct err *e)
{
	own_mem char *text = NULL;
	uint32_t id;

	if (io_slurp(d->tasks[0]->proc_fd, "setgroups", &text, NULL, e) < 0 ||
	    read_status(&d->tasks[0]->threads[0], ret_status, e) < 0)
		return e->code;
	*ret = strncmp(text, "deny", 4) == 0 ||
	       !line_is_mapped(*ret_status, groups_key, m->groups, m->group_count, &id);
	return 0;
}

static int check_ids(const struct dump *d, struct err *e)
{
	own_mem char *root = NULL;
	struct maps_of m = { 0 };
	bool keep = false;

	if (read_maps(d, &m, e) < 0 || keeps_groups(d, &m, &keep, &root, e) < 0)
		return e->code;
	if (!holds(m.users, m.user_count, 0, true) || !holds(m.groups, m.group_count, 0, true))
		return err_code(e, ENOTSUP,
				"it maps no user or no group 0, which is not supported");
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; d->tasks[i]->state != TASK_DEAD && k < d->tasks[i]->thread_count;
		     k++)
			if (check_thread(&d->tasks[i]->threads[k], &m, keep ? root : NULL, e) < 0)
				return e->code;
	return 0;
}

/* To give somebody a number takes a right in the user namespace that the pid namespace belongs to. */
static int check_numbers(const struct dump *d, struct err *e)
{
	size_t threads = 0;

	for (size_t i = 0; i < d->task_count; i++)
		threads += d->tasks[i]->thread_count;
	if (threads < 2 || ns_is_own(d, NS_PID))
		return 0;
	err_code(e, ENOTSUP,
		 "the tree has several processes or threads, and no pid namespace of its own, so "
		 "they could not get their numbers again from inside");
	return err_hint(e, "start it in a pid namespace as well");
}

static int user_check(struct dump *d, struct err *e)
{
	if (check_numbers(d, e) < 0 || check_ids(d, e) < 0)
		return e->code;
	for (enum ns k = 0; k < NS_COUNT; k++)
		if (check_kind(d, k, e) < 0)
			return e->code;
	return 0;
}

static void note_groups(struct dump *d, const char *status, UserExtraEntry *ret)
{
	const char *at = strstr(status, groups_key) + strlen(groups_key);
	uint32_t group;

	ret->has_keep_groups = ret->keep_groups = true;
	ret->groups = pool_array(&d->pool, uint32_t, strcspn(at, "\n") / 2 + 1);
	while (next_number(&at, &group))
		ret->groups[ret->n_groups++] = group;
}

static int save_extra(struct dump *d, const struct maps_of *m, uint32_t id, struct err *e)
{
	UserExtraEntry x = USER_EXTRA_ENTRY__INIT;
	own_mem char *text = NULL, *status = NULL;
	uid_t owner = 0;
	bool keep;

	if (io_slurp(d->tasks[0]->proc_fd, "setgroups", &text, NULL, e) < 0 ||
	    keeps_groups(d, m, &keep, &status, e) < 0)
		return e->code;
	if (ioctl(d->ns->fd[NS_USER], NS_GET_OWNER_UID, &owner) < 0)
		return err_sys(e, "ask who made it");
	x.owner = owner;
	x.no_setgroups = strncmp(text, "deny", 4) == 0;
	if (keep)
		note_groups(d, status, &x);
	return image_save(d->images, IMG_USER_EXTRA, id, &x, e);
}

static int user_save(struct dump *d, uint32_t id, struct err *e)
{
	UsernsEntry m = USERNS_ENTRY__INIT;
	struct maps_of maps = { 0 };

	if (read_maps(d, &maps, e) < 0 || save_extra(d, &maps, id, e) < 0)
		return e->code;
	m.uid_map = maps.users, m.n_uid_map = maps.user_count;
	m.gid_map = maps.groups, m.n_gid_map = maps.group_count;
	return image_save(d->images, IMG_USERNS, id, &m, e);
}

const struct ns_kind user_ns_kind = {
	.name = "ns/user",
	.kind = NS_USER,
	.check = user_check,
	.save = user_save,
};
