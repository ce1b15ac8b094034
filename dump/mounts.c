/* See mounts.h. The list is read, and copies are made, by threads of ours that go into the namespace. */
#include "dump/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "dump/ns.h"

static int read_inside(void *arg, struct err *e)
{
	struct dump *d = arg;
	struct dump_mounts *all = d->mounts;
	struct mount_line *lines;

	if (mounts_read(all->proc, &d->pool, &lines, &all->count, e) < 0)
		return e->code;
	all->all = pool_array(&d->pool, struct dmount, all->count + 1);
	for (size_t i = 0; i < all->count; i++)
		all->all[i] = (struct dmount){ .line = lines[i], .fd = -1 };
	all->top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return all->top < 0 ? err_sys(e, "open its root") : 0;
}

static int find_parents(struct dump_mounts *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct dmount *m = &all->all[i];

		for (size_t k = 0; k < all->count && !m->parent; k++)
			if (k != i && all->all[k].line.id == m->line.parent)
				m->parent = &all->all[k];
		if (m->parent)
			continue;
		if (all->root)
			return err_say(e, "both '%s' and '%s' are mounted on nothing",
				       all->root->line.at, m->line.at);
		all->root = m;
	}
	return all->root ? 0 : err_say(e, "it has no mounts");
}

int dmounts_read(struct dump *d, struct err *e)
{
	struct dump_mounts *all = pool_new(&d->pool, struct dump_mounts);

	d->mounts = all;
	all->top = -1;
	all->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (all->proc < 0)
		return err_sys(e, "open '/proc'");
	if (mounts_read(all->proc, &d->pool, &all->ours, &all->our_count, e) < 0 ||
	    ns_run(d, NS_MNT, read_inside, d, e) < 0)
		return e->code;
	return find_parents(all, e);
}

struct dmount *dmounts_find(const struct dump *d, uint32_t id)
{
	for (size_t i = 0; d->mounts && i < d->mounts->count; i++)
		if (d->mounts->all[i].line.id == id)
			return &d->mounts->all[i];
	return NULL;
}

const struct dmount *dmounts_whole(const struct dump_mounts *all, uint32_t dev)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->all[i].line.dev == dev && strcmp(all->all[i].line.root, "/") == 0)
			return &all->all[i];
	return NULL;
}

const struct dmount *dmounts_above(const struct dump_mounts *all, const struct dmount *m,
				   const char *path)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct dmount *c = &all->all[i];

		if (c->parent == m && strcmp(c->line.at, m->line.at) != 0 &&
		    mounts_below(c->line.at, path))
			return c;
	}
	return NULL;
}

struct copying {
	struct dump_mounts *all;
	struct dmount *m;
};

static int copy_inside(void *arg, struct err *e)
{
	const struct copying *c = arg;
	own_fd at = mounts_open(c->all->top, c->m->line.at + 1, O_PATH);

	if (at < 0 || mounts_id_of(at) != c->m->line.id)
		return dmounts_uncover(c->all, c->m, &c->m->fd, e);
	c->m->fd = open_tree(at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (c->m->fd < 0 && errno == EINVAL) /* unbindable: itself will have to do */
		c->m->fd = take_fd(&at);
	return c->m->fd < 0 ? err_sys(e, "copy the mount '%s'", c->m->line.at) : 0;
}

int dmounts_copy(struct dump *d, struct dmount *m, int *ret_fd, struct err *e)
{
	struct copying c = { d->mounts, m };

	if (m->fd < 0 && ns_run(d, NS_MNT, copy_inside, &c, e) < 0)
		return e->code;
	*ret_fd = m->fd;
	return 0;
}

int dmounts_open(struct dump *d, struct dmount *m, const char *path)
{
	const char *below = mounts_below(m->line.at, path);
	struct err e = { 0 };
	int base = -1, fd;

	if (!below)
		return -ENOENT;
	if (dmounts_copy(d, m, &base, &e) < 0)
		return e.code;
	if (*below)
		return mounts_open(base, below, O_PATH | O_NOFOLLOW);
	fd = fcntl(base, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int dmounts_walk(const struct dump *d, const char *path, int flags)
{
	struct open_how how = { .flags = (unsigned int)flags | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT };
	long fd;

	if (d->mounts)
		fd = syscall(SYS_openat2, d->mounts->top, path, &how, sizeof(how));
	else
		fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

bool dmounts_leads(struct dump *d, int mnt_id, const char *path, const struct stat *st)
{
	struct dmount *m = mnt_id > 0 ? dmounts_find(d, (uint32_t)mnt_id) : NULL;
	struct stat there;

	if (!m)
		return fstatat(AT_FDCWD, path, &there, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) ==
			       0 &&
		       same(&there, st);
	own_fd fd = dmounts_open(d, m, path);
	return fd >= 0 && fstat(fd, &there) == 0 && same(&there, st);
}

void dmounts_close(struct dump *d)
{
	struct dump_mounts *all = d->mounts;

	for (size_t i = 0; all && i < all->count; i++)
		own_close(&all->all[i].fd);
	if (all) {
		own_close(&all->proc);
		own_close(&all->top);
	}
	d->mounts = NULL;
}
