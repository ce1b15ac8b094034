/*
 * Control groups: in which ones a task is, and how to come to their directories.
 *
 * A hierarchy is named as /proc/PID/cgroup does: controllers joined by commas ("cpu,cpuacct"), "name=systemd" for one that
 * has none, and "" for version 2. Paths are those of our own cgroup namespace.
 */
#ifndef STASIS_LIB_CGROUP_H
#define STASIS_LIB_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/pool.h"

struct cgroup_member {
	char *hierarchy;
	char *path;
	int prefix; /* how much of the path is the root of the tree's cgroup namespace; of use where it has one */
};

/* What /proc/PID/cgroup or that of a thread says, by the names of the hierarchies. */
struct cgroup_members {
	struct cgroup_member *all;
	size_t count;
};

must_check int cgroup_members_parse(struct cgroup_members *ret, struct pool *pool, const char *text,
				    struct err *e);
/* NULL: there is none of this name. */
const struct cgroup_member *cgroup_member_find(const struct cgroup_members *m,
					       const char *hierarchy);
/* The one that has all controllers of those joined in 'hierarchy'; NULL: none has. */
const struct cgroup_member *cgroup_member_like(const struct cgroup_members *m,
					       const char *hierarchy);
/* Whether all of the names joined in 'names' are among those in 'joined'. */
bool cgroup_has(const char *joined, const char *names);
bool cgroup_is_v2(const char *hierarchy);
/* For sentences. */
const char *cgroup_words(const char *hierarchy);

/*
 * Opens the root of a hierarchy of ours, wherever it is mounted, or nowhere. yard: not NULL, take the folder of it that
 * somebody has mounted there (--cgroup-yard); "unified" is the one of version 2.
 */
must_check int cgroup_open(const char *hierarchy, const char *yard, int *ret_fd, struct err *e);

/* Whether the word is in this file of a directory. */
bool cgroup_says(int dir, const char *file, const char *word);
/* Is the group frozen, or a group above it, or about to be? path is below root_fd. */
bool cgroup_is_frozen(int root_fd, const char *hierarchy, const char *path);

#endif
