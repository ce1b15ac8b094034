/*
 * A mount that others cover is found in a copy of the namespace, in which what covers it is unmounted. The copy is private, and is
 * gone with the thread that made it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "dump/mounts.h"

struct uncovering {
	const struct dump_mounts *all;
	struct mount_line *copies;
	size_t count;
	const struct mount_line **of; /* the copy of each mount; NULL: not found (yet) */
	int top;
};

static const struct mount_line *copy_of(const struct uncovering *u, const struct dmount *m)
{
	const struct mount_line *parent = m->parent ? u->of[m->parent - u->all->all] : NULL;

	for (size_t i = 0; i < u->count; i++) {
		const struct mount_line *c = &u->copies[i];

		if (strcmp(c->at, m->line.at) == 0 && c->dev == m->line.dev &&
		    strcmp(c->root, m->line.root) == 0 &&
		    (m->parent ? parent && c->parent == parent->id : strcmp(c->at, "/") == 0))
			return c;
	}
	return NULL;
}

/* Parents first: as many rounds as the tree is deep. */
static void match(struct uncovering *u)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < u->all->count; i++) {
			if (u->of[i])
				continue;
			u->of[i] = copy_of(u, &u->all->all[i]);
			more |= u->of[i] != NULL;
		}
	}
}

static bool is_above(const struct dmount *a, const struct dmount *m)
{
	for (; m; m = m->parent)
		if (a == m)
			return true;
	return false;
}

static bool covers(const struct dmount *a, const struct dmount *m)
{
	return !is_above(a, m) && mounts_below(a->line.at, m->line.at);
}

/* Whether something was taken away. */
static bool take_one(struct uncovering *u, const struct dmount *m)
{
	for (size_t i = 0; i < u->all->count; i++) {
		const struct dmount *a = &u->all->all[i];
		own_fd fd = -1;

		if (!u->of[i] || !covers(a, m))
			continue;
		fd = mounts_open(u->top, a->line.at + 1, O_PATH);
		if (fd < 0 || mounts_id_of(fd) != u->of[i]->id)
			continue;
		if (umount2(a->line.at, MNT_DETACH) == 0) {
			u->of[i] = NULL;
			return true;
		}
	}
	return false;
}

int dmounts_uncover(const struct dump_mounts *all, const struct dmount *m, int *ret_fd,
		    struct err *e)
{
	struct pool pool = { 0 };
	struct uncovering u = { .all = all };
	own_fd at = -1;
	own_fd top = -1;
	const struct mount_line *copy;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "copy the namespace");
	top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return err_sys(e, "open the root of the copy");
	if (mounts_read(all->proc, &pool, &u.copies, &u.count, e) < 0) {
		pool_free(&pool);
		return e->code;
	}
	u.top = top;
	u.of = pool_array(&pool, const struct mount_line *, all->count + 1);
	match(&u);
	while (take_one(&u, m))
		;
	copy = u.of[m - all->all];
	at = mounts_open(top, m->line.at + 1, O_PATH);
	if (copy && at >= 0 && mounts_id_of(at) == copy->id)
		*ret_fd = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	pool_free(&pool);
	if (*ret_fd >= 0)
		return 0;
	return err_code(e, ENOTSUP, "the mount '%s' is covered by others, and cannot be looked at",
			m->line.at);
}
