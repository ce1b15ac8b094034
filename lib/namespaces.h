/* The kinds of namespaces, and what the images call those of the dumper. */
#ifndef STASIS_LIB_NAMESPACES_H
#define STASIS_LIB_NAMESPACES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

/* In the order in which the dumper's own get their numbers, from 1. */
enum ns { NS_PID, NS_NET, NS_IPC, NS_UTS, NS_TIME, NS_MNT, NS_USER, NS_CGROUP, NS_COUNT };

struct namespace_kind {
	const char *name; /* below /proc/PID/ns */
	uint32_t flag;	  /* CLONE_NEW* */
	uint32_t own_id;  /* of the dumper's */
};

extern const struct namespace_kind namespace_kinds[];
extern const size_t namespace_kind_count;

/* Its inode number, which no other one has; 0: in none. name: as below /proc/PID/ns. */
ino_t namespace_of(int proc_fd, const char *name);

/*
 * Runs a function in other namespaces than ours, in our memory and with our descriptors: a thread does it, since each thread has
 * its own. Nothing of ours moves. fds: what to enter, those of pid, time and user namespaces excepted.
 */
must_check int namespace_run(const int *fds, size_t count, int (*run)(void *arg, struct err *e),
			     void *arg, struct err *e);
/*
 * The same by the thread that calls, which goes there and comes back: for what nobody else may do (a tracer), or what has children.
 * /proc/net is then, too, that of there, if it is our first thread.
 */
must_check int namespace_visit(enum ns kind, int fd, int (*run)(void *arg, struct err *e),
			       void *arg, struct err *e);

/* How a namespace is made that only a process with one thread can make, or one at another place. All but make may be NULL. */
struct namespace_birth {
	const char *link; /* below /proc/PID/ns */
	int user_fd;	  /* where the child goes first, to be root there; -1: nowhere */
	int (*before)(void *arg, int child, struct err *e); /* by us */
	int (*make)(void *arg); /* by a child of ours: 0 or a number of errno */
	int (*after)(void *arg, int child, struct err *e); /* by us again */
	void *arg;
};

/* For a process with one thread: it is root in there afterwards. 0 or -1 and errno. */
int namespace_enter_user(int fd);
/* The child is gone afterwards, and the descriptor keeps the namespace. */
must_check int namespace_make(const struct namespace_birth *b, int *ret_fd, struct err *e);

#endif
