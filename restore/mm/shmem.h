/*
 * Shared memory objects of a restore: made and filled by the coordinator when first asked for, mapped by the tasks
 * through its descriptors.
 */
#ifndef STASIS_RESTORE_MM_SHMEM_H
#define STASIS_RESTORE_MM_SHMEM_H

#include "restore/restore.h"

/*
 * Our descriptor of the object with this inode_id of memfd.img, opened with access (O_RDONLY, O_RDWR). It is
 * the same for all who ask, and stays open until everything is mapped.
 */
must_check int rshmem_open(struct restore *r, uint32_t inode_id, int access, int *ret_fd,
			   struct err *e);

/* An object of ours that is to be filled from pagemap-shmem-SHMID. */
struct shmem_target {
	int fd; /* O_RDWR */
	uint64_t shmid, size;
	bool huge; /* of huge pages, which cannot be written by write() */
};
/* The objects that have been made, one after another: false at the end. *ret_inode is 0 for one that is not ours. */
bool rshmem_next(const struct restore *r, size_t number, uint64_t *ret_inode, uint64_t *ret_shmid);
must_check int rshmem_fill(struct restore *r, const struct shmem_target *to, struct err *e);
/* A descriptor of the file behind a shared mapping of ours. */
must_check int rshmem_open_mapping(void *at, uint64_t size, int *ret_fd, struct err *e);

#endif
