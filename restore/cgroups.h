/*
 * Control groups of the tree: their directories are there before the first task is born, tasks come into theirs at
 * birth, settings that limit them are made when all that is to be made is made.
 */
#ifndef STASIS_RESTORE_CGROUPS_H
#define STASIS_RESTORE_CGROUPS_H

#include "images/ns/cgroup.pb-c.h"
#include "lib/cgroup.h"
#include "lib/cgroup_props.h"
#include "restore/restore.h"

/* A hierarchy of the images, and ours that stands for it. */
struct rhierarchy {
	const char *name;  /* in the images */
	const char *local; /* here */
	const char *home;  /* where we are in it */
	int root;	   /* descriptor of its directory; -1: not open yet */
	/* --cgroup-root: what lay in 'from' at the dump lies in 'to'. NULL: it stays. */
	const char *from, *to;
};

/* A directory whose settings are to be made. */
struct rsettings {
	struct rhierarchy *h;
	const char *path;
	const CgroupDirEntry *dir;
};

struct rcgroups {
	CgroupEntry *image; /* NULL: all tasks stay where we are */
	uint32_t own_set;
	struct rhierarchy *all;
	size_t count;
	struct rsettings *settings;
	size_t settings_count;
	struct rsettings *made; /* directories, without dir */
	size_t made_count;
};

/* A kind's load: reads and checks cgroup.img. */
must_check int rcgroups_load(struct restore *r, struct err *e);
void rcgroups_close(struct restore *r);
/* Makes the directories. Undone: removes those that were made. cgroups_make.c */
must_check int rcgroups_make(struct restore *r, struct err *e);
void rcgroups_remove(struct restore *r);
/* Of the tree, if it has one of its own. ns/cgroup.c */
must_check int rcgroups_make_namespace(struct restore *r, struct err *e);
/* Settings of the one sort, when all tasks are there. cgroups_make.c */
must_check int rcgroups_set(struct restore *r, enum cgroup_when when, struct err *e);
/*
 * Groups that were frozen: those of version 2 before the tasks are let go, those of version 1, where nobody can be let go any
 * more, at once after. What does not succeed is in the log.
 */
void rcgroups_freeze(struct restore *r, bool v2);
/* A newborn, which is where its creator is. */
must_check int rcgroups_attach(const struct rtask *t, struct err *e);
/* Threads that are not where their leader is. */
must_check int rcgroups_attach_threads(struct restore *r, struct err *e);

/* The path here of one in the images. */
const char *rcgroups_path(struct restore *r, const struct rhierarchy *h, const char *path);
/* Where the thread was; NULL: where the dumper was. */
const CgSetEntry *rcgroups_set_of(const struct rthread *th);
/* Whole processes do not get into a threaded group, but into the one above those. */
must_check int rcgroups_attach_process(struct restore *r, struct rhierarchy *h, const char *path,
				       int pid, struct err *e);
/* NULL: it is not used. */
struct rhierarchy *rcgroups_hierarchy(struct rcgroups *c, const char *name);
must_check int rcgroups_open(struct restore *r, struct rhierarchy *h, struct err *e);

#endif
