/* The mounts of a mount namespace, as /proc/PID/mountinfo tells them. */
#ifndef STASIS_LIB_MOUNTS_H
#define STASIS_LIB_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/pool.h"

struct mount_line {
	uint32_t id, parent;
	uint32_t dev;		 /* major << 20 | minor */
	const char *root;	 /* what of the file system is mounted */
	const char *at;		 /* where */
	uint32_t flags;		 /* MS_* of the mount, propagation included */
	uint32_t shared, master; /* peer groups, 0: none */
	bool removed;		 /* root has been removed */
	const char *other;	 /* words about the mount that are none of these flags */
	const char *type, *source;
	uint32_t sb_flags; /* MS_* of the file system */
	const char *options;
};

/* Of the namespace that the thread lives in; proc_fd: a directory /proc of ours. */
must_check int mounts_read(int proc_fd, struct pool *pool, struct mount_line **ret,
			   size_t *ret_count, struct err *e);
/* The part of a path below the mount point at, "" for that itself; NULL: it is not below. */
const char *mounts_below(const char *at, const char *path);
/* The number of the mount that a descriptor leads to, 0: nobody knows. */
uint32_t mounts_id_of(int fd);
/*
 * Goes down from a directory without following links or leaving the mount's tree; path may be "". O_PATH and the like, O_CLOEXEC
 * is added. A descriptor or -errno.
 */
int mounts_open(int dir_fd, const char *path, int flags);

#endif
