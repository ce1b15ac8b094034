/*
 * The user namespace of a restored tree. It is made first, and by a child, since nobody with threads can; what else the tree has of its
 * own is made inside of it, by children that go there, so that it belongs to it. The first task is cloned by somebody who is there, too.
 */
#ifndef STASIS_RESTORE_USER_NS_H
#define STASIS_RESTORE_USER_NS_H

#include "restore/ns.h"

struct ruser_ns {
	struct UsernsEntry *maps;
	struct UserExtraEntry *extra; /* NULL: images of others */
	pid_t lender;
	uid_t euid; /* ours */
	int dumpable;
};

/* In a process with one thread and no memory that matters: it is root in there afterwards. 0 or -errno. */
int ruser_enter(const struct restore *r);
/*
 * Tasks take descriptors from us (pidfd_getfd), for which those of the namespace have no right. So they take them from a process that is
 * in there, too, and shares our table of descriptors; it ends with us, and has to be ended before the tree is let go. A pidfd.
 */
must_check int ruser_lend(struct restore *r, int *ret_fd, struct err *e);
void ruser_lend_end(struct restore *r);
/* Whoever shares our memory and changes his user takes from us that it can be dumped. */
void ruser_mend(const struct restore *r);
/* Whether an id of inside, of a user or of a group, is one outside. */
bool ruser_maps(const struct restore *r, uint32_t id, bool group);
/* An id of inside as it is outside; UINT32_MAX: it is none. The id itself where there is no such namespace. */
uint32_t ruser_outside(const struct restore *r, uint32_t id, bool group);
/* Groups are as they have to be already, and cannot be set. */
bool ruser_keeps_groups(const struct restore *r);
/*
 * In a thread of namespace_run(): /proc/sys lets nobody write but who is root inside. With false it is what it was before.
 */
void ruser_act_as_root(const struct restore *r, bool act);

#endif
