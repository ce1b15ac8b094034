/* Processes that decide over the accesses of others (fanotify's permission events), found before anything stands still. */
#ifndef STASIS_DUMP_FANOTIFY_H
#define STASIS_DUMP_FANOTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define FANOTIFY_LINK "anon_inode:[fanotify]"
/* FAN_OPEN_PERM, FAN_ACCESS_PERM, FAN_OPEN_EXEC_PERM, FAN_PRE_ACCESS */
#define FANOTIFY_PERMISSIONS 0x170000UL

/* What there is in a tree, as far as it can be looked at while it runs. */
struct fanotify_seen {
	size_t descriptors;
	bool rings; /* of io_uring */
};

/* Refuses a tree in which somebody has such marks. What cannot be looked at has none. */
must_check int fanotify_check_tree(int pid, struct fanotify_seen *seen, struct err *e);
/* Whether a group with this text of fdinfo has such marks. */
bool fanotify_decides(const char *fdinfo);
int fanotify_refuse(struct err *e);

#endif
