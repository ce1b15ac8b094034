/*
 * Descriptors of memfds, and of anonymous shared memory (which can be opened through map_files). The inode with its
 * contents, seals and owner is saved with the memory (dump/mm/shmem.c), whoever else maps it.
 */
#include "images/fd/memfd.pb-c.h"

#include <errno.h>
#include <string.h>

#include "dump/files.h"
#include "dump/mm/shmem.h"

static bool memfd_match(const struct file *f)
{
	return S_ISREG(f->st.st_mode) &&
	       (shmem_is_device(f->dump, f->st.st_dev) || shmem_huge_page(f->dump, f->st.st_dev));
}

static int memfd_dump(struct file *f, FileEntry *entry, struct err *e)
{
	MemfdFileEntry *m = pool_new(&f->dump->pool, MemfdFileEntry);

	memfd_file_entry__init(m);
	m->id = f->id;
	m->flags = f->flags;
	m->pos = f->pos;
	m->fown = f->fown;
	entry->memfd = m;
	if (strncmp(f->link, "/SYSV", 5) == 0)
		return err_code(e, ENOTSUP, "it leads to a SysV segment ('%s')", f->link);
	return shmem_register(f->task, f->where, &m->inode_id, e);
}

const struct fd_kind memfd_fd_kind = {
	.name = "fd/memfd",
	.type = FD_TYPES__MEMFD,
	.match = memfd_match,
	.dump = memfd_dump,
};
