/*
 * A userfaultfd has to be made inside the process whose memory it is for: each task makes one, we take it with
 * pidfd_getfd(2), and the task closes it.
 */
#ifndef STASIS_RESTORE_UFFD_H
#define STASIS_RESTORE_UFFD_H

#include "restore/restore.h"

struct task_uffd {
	struct rtask *t;
	int there; /* number in the task, or -errno: it could not make one */
	int fd;	   /* ours, -1: none */
};

/* Many at once; flags: of the system call. With --dry-run there are none. */
must_check int ruffd_make(struct restore *r, struct task_uffd *all, size_t count, int flags,
			  struct err *e);

#endif
