/*
 * Descriptors of memfds: each description is the object opened again, with flags and position of its own. The
 * object is made and filled by restore/mm/shmem.c, and sealed when everything is mapped.
 */
#include "images/fd/memfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "restore/files.h"
#include "restore/mm/shmem.h"

static int memfd_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const MemfdFileEntry *m = f->memfd;
	char path[64];
	int object;

	if (rshmem_open(r, m->inode_id, O_RDWR, &object, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", object);
	own_fd fd = open(path, ((int)m->flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open a memfd again (flags %#x)", m->flags);
	if (!(m->flags & O_PATH) && lseek(fd, m->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu", m->pos);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind memfd_fd_restore_kind = {
	.name = "fd/memfd",
	.type = FD_TYPES__MEMFD,
	.make = memfd_make,
};
