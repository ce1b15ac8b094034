/* The namespace and its tree of mounts; see mounts.h. */
#include "restore/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "lib/apart.h"
#include "lib/namespaces.h"
#include "restore/ns.h"

#define ALL_ATTRIBUTES                                                                  \
	(MOUNT_ATTR__ATIME | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | \
	 MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

static int blame(const struct rmount *m, struct err *e)
{
	return err_on(e, "the mount '%s'", m->entry->mountpoint);
}

/* --- the tree of mounts ------------------------------------------------------------------------ */

static int set_attributes(const struct rmount *m, struct err *e)
{
	static const struct {
		uint32_t flag, attr;
	} known[] = {
		{ MS_RDONLY, MOUNT_ATTR_RDONLY },     { MS_NOSUID, MOUNT_ATTR_NOSUID },
		{ MS_NODEV, MOUNT_ATTR_NODEV },	      { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
		{ MS_NOATIME, MOUNT_ATTR_NOATIME },   { MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
		{ MS_RELATIME, MOUNT_ATTR_RELATIME }, { MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
	};
	struct mount_attr attr = { .attr_clr = ALL_ATTRIBUTES };
	uint32_t flags = m->entry->flags;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (flags & known[i].flag)
			attr.attr_set |= known[i].attr;
	if (!(flags & (MS_NOATIME | MS_RELATIME)))
		attr.attr_set |= MOUNT_ATTR_STRICTATIME;
	if (mount_setattr(m->fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_sys(e, "set its flags");
	return 0;
}

static int attach(struct rmount *m, struct err *e)
{
	const char *below = mounts_below(m->parent->entry->mountpoint, m->entry->mountpoint);
	own_fd at = mounts_open(m->parent->fd, below, O_PATH);

	if (at < 0) {
		err_res(e, at, "open the place for it");
		return err_hint(e, "make that file or directory where it was at the dump");
	}
	if (mounts_id_of(at) != m->parent->id)
		return err_code(e, ENOTSUP, "another mount covers the place for it");
	if (move_mount(m->fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return err_sys(e, "attach it");
	m->attached = true;
	m->id = mounts_id_of(m->fd);
	return set_attributes(m, e);
}

/* Of mounts on one parent the deeper ones come first: they may be covered by the others. */
static int by_depth(const void *va, const void *vb)
{
	const struct rmount *a = *(struct rmount *const *)va, *b = *(struct rmount *const *)vb;
	size_t x = strlen(a->entry->mountpoint), y = strlen(b->entry->mountpoint);

	return x > y ? -1 : x < y;
}

/* Everything that is made, and whose parent is attached. */
static int attach_all(struct restore *r, struct err *e)
{
	struct rmounts *all = r->mounts;
	struct rmount **order = pool_array(&r->pool, struct rmount *, all->count + 1);
	bool more = true;

	for (size_t i = 0; i < all->count; i++)
		order[i] = &all->all[i];
	qsort(order, all->count, sizeof(struct rmount *), by_depth);
	while (more) {
		more = false;
		for (size_t i = 0; i < all->count; i++) {
			struct rmount *m = order[i];

			if (m->attached || m->fd < 0 || !m->parent->attached)
				continue;
			if (attach(m, e) < 0)
				return blame(m, e);
			more = true;
		}
	}
	return 0;
}

/* Those that are to be made now. */
static int make_all(struct restore *r, bool late, struct err *e)
{
	struct rmounts *all = r->mounts;

	for (size_t i = 0; i < all->count; i++) {
		struct rmount *m = &all->all[i];

		if (m->fd < 0 && m->late == late && rmount_make(r, m, e) < 0)
			return blame(m, e);
	}
	return 0;
}

/* What mounts were made of is not needed any more: it lies on the root. */
static int clear(struct restore *r, struct err *e)
{
	struct rmounts *all = r->mounts;

	if (all->super_count && fchdir(all->root->fd) < 0)
		return err_sys(e, "go to its root");
	while (all->super_count) {
		if (umount2(".", MNT_DETACH) < 0)
			return err_sys(e, "unmount what mounts were made of");
		close(all->supers[--all->super_count].fd);
	}
	return 0;
}

/* --- the namespace ----------------------------------------------------------------------------- */

/* The root goes onto ours, takes its place, and ours goes. */
static int change_root(const struct rmount *root, struct err *e)
{
	if (move_mount(root->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, "attach the new root");
	if (fchdir(root->fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, "unmount the old root");
	return 0;
}

static int enter_others(const struct restore *r, struct err *e)
{
	static const enum ns which[] = { NS_NET, NS_IPC, NS_CGROUP };

	for (size_t i = 0; i < ARRAY_SIZE(which); i++) {
		int fd = r->ns->fd[which[i]];

		if (fd >= 0 && setns(fd, (int)namespace_kinds[which[i]].flag) < 0)
			return err_sys(e, "enter the %s namespace", namespace_kinds[which[i]].name);
	}
	return 0;
}

static int make_inside(void *arg, struct err *e)
{
	struct restore *r = arg;
	struct rmount *root = r->mounts->root;
	own_fd ns = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, "make a mount namespace");
	ns = openat(r->mounts->proc, "thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	/* Going into it leads to its root, if ours is another. */
	if (ns < 0 || setns(ns, CLONE_NEWNS) < 0)
		return err_sys(e, "enter the new mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the new mount namespace private");
	if (change_root(root, e) < 0 || enter_others(r, e) < 0)
		return e->code;
	root->attached = true;
	root->id = mounts_id_of(root->fd);
	if (make_all(r, false, e) < 0 || clear(r, e) < 0 || attach_all(r, e) < 0 ||
	    set_attributes(root, e) < 0)
		return e->code;
	r->ns->fd[NS_MNT] = take_fd(&ns);
	return 0;
}

/* Where a parent is late its children are. */
int rmounts_make(struct restore *r, struct err *e)
{
	struct rmounts *all = r->mounts;

	if (!rns_is_own(r, NS_MNT))
		return 0;
	all->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (all->proc < 0)
		return err_sys(e, "open '/proc'");
	for (size_t i = 0; i < all->count; i++)
		if (rmount_fetch(r, &all->all[i], e) < 0)
			return blame(&all->all[i], e);
	return namespace_run(NULL, 0, make_inside, r, e);
}

/* --- when the first process is there ----------------------------------------------------------- */

struct finishing {
	struct restore *r;
	int pidns;
};

/* In a process that is in the tree's pid namespace. */
static int make_late(void *arg, struct err *e)
{
	return make_all(arg, true, e);
}

static int finish_inside(void *arg, struct err *e)
{
	const struct finishing *f = arg;
	static const char *const names[] = { "net", "ipc", "cgroup" };
	struct restore *r = f->r;
	char path[48];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%d/ns/%s", rtask_here(r->tasks[0]), names[i]);
		own_fd fd = openat(r->mounts->proc, path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && setns(fd, 0) < 0)
			return err_sys(e, "enter '/proc/%s'", path);
	}
	if (f->pidns >= 0 && setns(f->pidns, CLONE_NEWPID) < 0)
		return err_sys(e, "enter the pid namespace");
	if (apart_run(make_late, r, e) < 0 || clear(r, e) < 0 || attach_all(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->mounts->count; i++)
		if (!r->mounts->all[i].attached)
			return err_say(e, "the mount '%s' has no place",
				       r->mounts->all[i].entry->mountpoint);
	return rmounts_group(r, e);
}

int rmounts_finish(struct restore *r, struct err *e)
{
	struct finishing f = { r, -1 };
	char path[48];

	if (!rns_is_own(r, NS_MNT))
		return 0;
	snprintf(path, sizeof(path), "%d/ns/pid", rtask_here(r->tasks[0]));
	own_fd pidns = openat(r->mounts->proc, path, O_RDONLY | O_CLOEXEC);
	if (pidns < 0)
		return err_sys(e, "open '/proc/%s'", path);
	f.pidns = rns_is_own(r, NS_PID) ? pidns : -1;
	return namespace_run(&r->ns->fd[NS_MNT], 1, finish_inside, &f, e);
}
