/*
 * Event counters. The kernel tells whether one is a semaphore since 6.5 only (eventfd-semaphore: in fdinfo); on older
 * ones every counter is taken for a plain one. The images have no field for it: it is bit 0 of the flags, which
 * are otherwise those of open(2), where it means O_WRONLY and can therefore not occur.
 */
#include "images/fd/eventfd.pb-c.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "dump/files.h"

static bool eventfd_match(const struct file *f)
{
	return strncmp(f->link, "anon_inode:[eventfd", 19) == 0;
}

static int eventfd_dump(struct file *f, FileEntry *entry, struct err *e)
{
	EventfdFileEntry *efd = pool_new(&f->dump->pool, EventfdFileEntry);
	uint64_t semaphore = 0;

	eventfd_file_entry__init(efd);
	efd->id = f->id;
	efd->fown = f->fown;
	if (!files_number(f->fdinfo, "eventfd-count", 16, &efd->counter))
		return err_code(e, ENOTSUP, "this kernel does not tell its counter");
	files_number(f->fdinfo, "eventfd-semaphore", 10, &semaphore);
	efd->flags = f->flags | (semaphore ? EFD_SEMAPHORE : 0);
	entry->efd = efd;
	return 0;
}

const struct fd_kind eventfd_fd_kind = {
	.name = "fd/eventfd",
	.type = FD_TYPES__EVENTFD,
	.match = eventfd_match,
	.dump = eventfd_dump,
};
