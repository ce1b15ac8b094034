/*
 * The control groups of the tree: sets of them that threads are in, and the directories with their settings.
 *
 * What the dumper itself is in belongs to the place where it works, and not to the tree: nothing is saved of it. For the
 * same reason the root of a hierarchy is never walked through.
 */
#ifndef STASIS_DUMP_CGROUPS_H
#define STASIS_DUMP_CGROUPS_H

#include "dump/dump.h"
#include "images/ns/cgroup.pb-c.h"
#include "lib/cgroup.h"

enum { OWN_CGROUPS = 1 }; /* the number of our own set, which is not stored */

struct cgroup_set {
	uint32_t id;
	char *text; /* /proc/PID/cgroup */
	struct cgroup_members members;
};

struct cgroups {
	struct cgroup_set *sets; /* [0] is our own */
	size_t count;
};

/* Where the cgroup namespace of the tree begins, if that is one of its own. ns/cgroup.c */
must_check int cgroups_prefixes(struct thread *th, struct cgroup_set *s, struct err *e);
/* The set of the thread, into its image. Refuses groups that cannot be named from here. */
must_check int cgroups_read(struct thread *th, struct err *e);
void cgroups_free(struct dump *d);
/* cgroup.img, if anybody is in a set that is not ours. */
must_check int cgroups_save(struct dump *d, struct err *e);
/* The directories of one hierarchy that the sets lie in, and what is below them. cgroups_collect.c */
must_check int cgroups_collect(struct dump *d, const char *hierarchy, CgControllerEntry *ret,
			       struct err *e);

/* --cgroup-props and --cgroup-props-file. cgroups_wanted.c */
struct wanted_props {
	char *controller;
	bool replace; /* no others of it are saved */
	char **names;
	size_t count;
};
must_check int cgroups_wanted(struct dump *d, struct wanted_props **ret, size_t *count,
			      struct err *e);

#endif
