/*
 * Mounts of a tree that has a mount namespace of its own. Those that need nothing of the tree are made before it is there, the
 * others (proc of a new pid namespace) when its first process is. Nothing of it is seen outside: it is gone when we and the tree are.
 */
#ifndef STASIS_RESTORE_MOUNTS_H
#define STASIS_RESTORE_MOUNTS_H

#include "images/filesystems.h"
#include "lib/mounts.h"
#include "restore/restore.h"

struct rmount {
	MntEntry *entry;
	struct rmount *parent; /* NULL: the root of all */
	struct rmount *whole;  /* what it is a part of, and comes from outside; NULL: nothing */
	const struct filesystem
		*fs; /* it is made anew; NULL: it comes from outside, or is a part */
	bool late;   /* it can be made when the first process is there */
	bool attached;
	bool grouped;
	bool shares; /* with peer; else it follows that */
	int peer;    /* the mount outside that it propagates with, -1: none */
	int fd;	     /* -1: not made yet */
	uint32_t id; /* as the kernel has it now */
};

/* A file system that is made anew, which several mounts may show. */
struct rsuper {
	uint32_t dev;
	int fd; /* a mount of the whole */
};

/* The master of a terminal that is mounted by itself. */
struct rmount_pty {
	unsigned int index;
	int fd; /* -1: somebody has it */
};

struct rmounts {
	struct rmount *all;
	size_t count;
	struct rmount *root;
	struct rsuper *supers;
	size_t super_count;
	struct rmount_pty *ptys;
	size_t pty_count;
	int proc; /* our /proc */
};

/* Reads the list and decides what becomes of each. */
must_check int rmounts_load(struct restore *r, uint32_t id, struct err *e);
/* Makes the namespace, and what can be made before the tree; after the other namespaces. */
must_check int rmounts_make(struct restore *r, struct err *e);
/* The rest, when the first process is there. */
must_check int rmounts_finish(struct restore *r, struct err *e);
void rmounts_close(struct restore *r);

/* The mount with this number in the images, NULL: there is none. */
struct rmount *rmounts_find(const struct restore *r, int32_t mnt_id);
/* O_PATH, of what lies there in this mount, whatever covers it. Links are not followed. -errno without a sentence. */
int rmounts_open(const struct restore *r, const struct rmount *m, const char *path);

/* The master of this number, if it had to be made for a mount; -1: it had not. */
int rmounts_take_pty(const struct restore *r, unsigned int index);

/* --- inside ----------------------------------------------------------------------------------- */

/* restore/mounts_make.c: the mount itself, attached nowhere. In a thread that is in the namespaces of the tree. */
must_check int rmount_make(struct restore *r, struct rmount *m, struct err *e);
/* Those that come from outside, in our namespace. */
must_check int rmount_fetch(struct restore *r, struct rmount *m, struct err *e);
/* restore/mounts_super.c */
must_check int rsuper_get(struct restore *r, const struct rmount *m, int *ret_fd, struct err *e);
/* restore/mounts_pty.c: what this mount shows of a devpts is there from now on. */
must_check int rmounts_hold_pty(struct restore *r, const struct rmount *m, int devpts,
				struct err *e);
/* restore/mounts_groups.c */
must_check int rmounts_group(struct restore *r, struct err *e);

#endif
