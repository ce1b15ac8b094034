/* What lies in a mount is opened through that mount: also where others cover it, by the handle that a copy of the mount tells. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/namespaces.h"
#include "restore/mounts.h"
#include "restore/ns.h"

struct opening {
	const struct rmount *m;
	const char *below;
	int fd; /* or -errno */
};

static int open_inside(void *arg, struct err *e)
{
	struct opening *o = arg;
	struct {
		struct file_handle head;
		uint8_t bytes[MAX_HANDLE_SZ];
	} fh = { .head.handle_bytes = MAX_HANDLE_SZ };
	own_fd copy = open_tree(o->m->fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	own_fd at = copy < 0 ? -1 : mounts_open(copy, o->below, O_PATH | O_NOFOLLOW);
	int unused;

	(void)e;
	o->fd = at < 0 && copy >= 0 ? at : -errno;
	if (at < 0 || name_to_handle_at(at, "", &fh.head, &unused, AT_EMPTY_PATH) < 0 ||
	    fchdir(o->m->fd) < 0) {
		o->fd = at < 0 ? o->fd : -errno;
		return 0;
	}
	o->fd = open_by_handle_at(AT_FDCWD, &fh.head, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (o->fd < 0)
		o->fd = -errno;
	return 0;
}

int rmounts_open(const struct restore *r, const struct rmount *m, const char *path)
{
	const char *below = mounts_below(m->entry->mountpoint, path);
	struct opening o = { m, below, -ENOENT };
	struct err ignored = { 0 };
	own_fd fd = -1;

	if (!below)
		return -ENOENT;
	if (!*below) {
		int copy = fcntl(m->fd, F_DUPFD_CLOEXEC, 0);

		return copy < 0 ? -errno : copy;
	}
	fd = mounts_open(m->fd, below, O_PATH | O_NOFOLLOW);
	if (fd >= 0 && mounts_id_of(fd) == m->id)
		return take_fd(&fd);
	if (namespace_run(&r->ns->fd[NS_MNT], 1, open_inside, &o, &ignored) < 0)
		return ignored.code;
	return o.fd;
}
