/*
 * A terminal of a devpts that is made anew, mounted by itself (/dev/console of a container): it is there when its master is open. That
 * is held until the terminals of the tree are made, and is then one of theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "lib/io.h"
#include "restore/mounts.h"

enum { INDEX_MAX = 1000 };

static bool is_held(const struct rmounts *all, unsigned int index)
{
	for (size_t i = 0; i < all->pty_count; i++)
		if (all->ptys[i].index == index)
			return true;
	return false;
}

/* They come in the order of their numbers; all below are held as well, until the wanted one is there. */
static int open_master(int devpts, unsigned int index, int *ret_fd, struct err *e)
{
	own_fd fd = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	unsigned int got = 0;
	int unlock = 0;

	if (fd < 0 || ioctl(fd, TIOCGPTN, &got) < 0 || ioctl(fd, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "make the terminal %u", index);
	if (got > index)
		return err_code(e, EBUSY, "the terminal %u is in use there", index);
	if (got < index)
		return open_master(devpts, index, ret_fd, e);
	*ret_fd = take_fd(&fd);
	return 0;
}

int rmounts_hold_pty(struct restore *r, const struct rmount *m, int devpts, struct err *e)
{
	struct rmounts *all = r->mounts;
	unsigned int index;
	int end = 0, fd = -1;

	if (!m->fs || m->fs->type != FSTYPE__DEVPTS ||
	    sscanf(m->entry->root, "/%u%n", &index, &end) != 1 || m->entry->root[end] ||
	    index > INDEX_MAX || is_held(all, index))
		return 0;
	if (io_grow(&all->ptys, all->pty_count, sizeof(*all->ptys), e) < 0 ||
	    open_master(devpts, index, &fd, e) < 0)
		return e->code;
	all->ptys[all->pty_count++] = (struct rmount_pty){ index, fd };
	return 0;
}

int rmounts_take_pty(const struct restore *r, unsigned int index)
{
	for (size_t i = 0; r->mounts && i < r->mounts->pty_count; i++)
		if (r->mounts->ptys[i].index == index)
			return take_fd(&r->mounts->ptys[i].fd);
	return -1;
}
