/*
 * Mounts of a tree that has a mount namespace of its own. What lies in one of them is looked at through a copy of the mount that is
 * attached nowhere: no other mount can cover anything in there.
 */
#ifndef STASIS_DUMP_MOUNTS_H
#define STASIS_DUMP_MOUNTS_H

#include <sys/stat.h>

#include "dump/dump.h"
#include "images/filesystems.h"
#include "lib/mounts.h"

struct dmount {
	struct mount_line line;
	struct dmount *parent; /* NULL: the root of all */
	const struct filesystem
		*fs;	     /* to be made anew; NULL: it is external, or a part of another */
	bool automatic;	     /* --enable-fs: made anew by its name */
	const char *ext_key; /* it is external; NULL: it is not */
	bool skipped;	     /* --skip-mnt */
	bool internal;	     /* its groups have no members outside */
	int fd;		     /* of the copy; -1: not made yet */
};

struct dump_mounts {
	struct dmount *all;
	size_t count;
	struct dmount *root;
	struct mount_line *ours; /* of the namespace that we live in */
	size_t our_count;
	int proc; /* our /proc */
	int top;  /* the root of the namespace */
};

/* Reads the list. */
must_check int dmounts_read(struct dump *d, struct err *e);
/* What becomes of each; refuses what cannot be carried. */
must_check int dmounts_decide(struct dump *d, struct err *e);
/* The mount with this number, NULL: it is none of the tree's namespace, or the tree lives in ours. */
struct dmount *dmounts_find(const struct dump *d, uint32_t id);
/* A descriptor of the copy. */
must_check int dmounts_copy(struct dump *d, struct dmount *m, int *ret_fd, struct err *e);
/* O_PATH, of what a path of the namespace leads to in this mount; -errno, without a sentence. Links are not followed. */
int dmounts_open(struct dump *d, struct dmount *m, const char *path);
/* As a task in the root of the namespace would open it, or we where the tree has none of its own; -errno. */
int dmounts_walk(const struct dump *d, const char *path, int flags);
/*
 * The next mount from *at on in which a file handle of this device leads to something, as a path of the namespace. False: there
 * is none, or the tree lives in our namespace.
 */
struct handle;
bool dmounts_by_handle(struct dump *d, const struct handle *what, size_t *at, struct stat *ret_st,
		       const char **ret_path);
/* Whether a path leads to this file, in the mount that the number is of. Without one of the tree's namespace: in ours. */
bool dmounts_leads(struct dump *d, int mnt_id, const char *path, const struct stat *st);
/* The same for a mount that others cover: *ret_fd is its copy. In a thread that is in the tree's namespace. */
must_check int dmounts_uncover(const struct dump_mounts *all, const struct dmount *m, int *ret_fd,
			       struct err *e);
/* The one whose whole file system has this device; NULL: none has. */
const struct dmount *dmounts_whole(const struct dump_mounts *all, uint32_t dev);
/* What is mounted in m, and covers the way to this path there; NULL: nothing. */
const struct dmount *dmounts_above(const struct dump_mounts *all, const struct dmount *m,
				   const char *path);
void dmounts_close(struct dump *d);

#endif
