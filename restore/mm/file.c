/*
 * Mapped files. restore/files.c finds and checks the file, deleted ones included, and keeps it open while
 * plans are made and run; a private mapping needs no more than reading.
 */
#include "restore/memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "images/vma.h"
#include "restore/files.h"
#include "restore/mm/map.h"

static bool file_shared_match(const VmaEntry *v)
{
	return v->status & VMA_FILE_SHARED && !(v->status & VMA_AREA_MEMFD);
}

static bool file_private_match(const VmaEntry *v)
{
	return v->status & VMA_FILE_PRIVATE && !(v->status & VMA_AREA_MEMFD);
}

static int file_map(struct rtask *t, const VmaEntry *v, bool fill, struct plan *p, struct err *e)
{
	int access = O_RDONLY, fd;

	if (v->flags & MAP_SHARED)
		access = v->has_fdflags	      ? (int)v->fdflags & O_ACCMODE :
			 v->prot & PROT_WRITE ? O_RDWR :
						O_RDONLY;
	if (rfiles_open(t->restore, v->shmid, access, &fd, e) < 0)
		return e->code;
	map_entry(v, fill, memory_fetch(t, fd, p), "a file", p);
	return 0;
}

const struct vma_restore_kind file_shared_restore_kind = {
	.name = "mm/file",
	.match = file_shared_match,
	.map = file_map,
};

const struct vma_restore_kind file_restore_kind = {
	.name = "mm/file",
	.match = file_private_match,
	.map = file_map,
	.inherits = true,
};
