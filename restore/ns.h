/*
 * Namespaces of a restore. Those that the images have of the tree's own are made and filled before the tree is there, and held by
 * descriptors, so a restore that fails leaves none of them behind; the first task enters them when it is born.
 */
#ifndef STASIS_RESTORE_NS_H
#define STASIS_RESTORE_NS_H

#include "lib/namespaces.h"
#include "restore/restore.h"

struct rnamespaces {
	uint32_t id
		[NS_COUNT]; /* in the images, of those that are the tree's own; 0: it lives in ours */
	int fd[NS_COUNT]; /* -1: there is none, or it is not made yet; of --join-ns although it is not its own */
	int pid_fd; /* of the pid namespace, if it is there already; -1 */
	struct UtsnsEntry *uts;
	struct IpcVarEntry *ipc;
	struct ipc_mqueues *mqueues;
	struct TimensEntry *time;
	struct rnet *net; /* restore/ns/net.c */
	struct ruser_ns *user;
};

struct ns_restore_kind {
	const char *name;
	enum ns kind;
	bool elsewhere; /* it is made in a step of its own, or together with the first task */
	/* Reads and checks its images, while nothing has been made yet. May be NULL. */
	int (*load)(struct restore *r, uint32_t id, struct err *e);
	/* For a kind that unshare() alone cannot make: a descriptor of a new one. May be NULL. */
	int (*make)(struct restore *r, int *ret_fd, struct err *e);
	/* Run inside, before anything else is made there. May be NULL. */
	int (*fill)(struct restore *r, struct err *e);
	/* Run inside, when all of them are there and whoever sets them up has been told. May be NULL. */
	int (*populate)(struct restore *r, struct err *e);
	/* Run inside, when the tree has all that it had. May be NULL. */
	int (*done)(struct restore *r, struct err *e);
	void (*close)(struct restore *r);
};

extern const struct ns_restore_kind *const ns_restore_kinds[];
extern const size_t ns_restore_kind_count;

/* Which the tree has of its own, and their images. */
must_check int rns_load(struct restore *r, struct err *e);
must_check int rns_make(struct restore *r, struct err *e);
/* Inside of those that are made. */
must_check int rns_populate(struct restore *r, struct err *e);
/* restore/ns_tell.c: has them populated, and before and behind that tells whoever wants to set something up inside. */
must_check int rns_tell(struct restore *r, struct err *e);
must_check int rns_done(struct restore *r, struct err *e);
void rns_close(struct restore *r);
bool rns_is_own(const struct restore *r, enum ns kind);
/* Runs a function in the tree's namespace of this kind. */
must_check int rns_run(struct restore *r, enum ns kind, int (*run)(void *arg, struct err *e),
		       void *arg, struct err *e);
/* The same by the thread that calls, which is still the tracer then. */
must_check int rns_visit(struct restore *r, enum ns kind, int (*run)(void *arg, struct err *e),
			 void *arg, struct err *e);
/* In the newborn first task, which has one thread. The user namespace is entered apart (user_ns.h). 0 or -errno. */
int rns_enter(const struct restore *r);

#endif
