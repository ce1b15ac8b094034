/*
 * Namespaces of a dump. Those of the root task that are not ours are the container's: they are saved, by their kinds (dump/ns, one
 * file each). All tasks live in the same ones.
 */
#ifndef STASIS_DUMP_NS_H
#define STASIS_DUMP_NS_H

#include "dump/dump.h"
#include "images/ns_ids.h"
#include "lib/namespaces.h"

struct dump_namespaces {
	int fd[NS_COUNT]; /* of the container's; -1: the tree lives in ours */
	ino_t ino[NS_COUNT];
	uint32_t id[NS_COUNT];
};

struct ns_kind {
	const char *name;
	enum ns kind;
	bool ours_too; /* save is also asked where the tree lives in ours, with the number 0 */
	/* Refuses what cannot be carried, while nothing of ours is in the tree yet. May be NULL. */
	int (*check)(struct dump *d, struct err *e);
	/* Writes the images, id in their names, while the tree stands still. May be NULL. */
	int (*save)(struct dump *d, uint32_t id, struct err *e);
	/* The same when all that is about tasks and files has been written. May be NULL. */
	int (*save_last)(struct dump *d, uint32_t id, struct err *e);
};

extern const struct ns_kind *const ns_kinds[];
extern const size_t ns_kind_count;

/* Of the root task, and which of them are ours. Refuses those that no kind looks after, and has the kinds check the others. */
must_check int ns_read(struct dump *d, struct err *e);
/* Puts the numbers into the ids of a task, and refuses one that lives elsewhere than the root. */
must_check int ns_number(struct task *t, struct err *e);
must_check int ns_save(struct dump *d, struct err *e);
must_check int ns_save_last(struct dump *d, struct err *e);
void ns_close(struct dump *d);
/* dump/ns/pid.c: the numbers of tasks and threads as they see them, from outside of their pid namespace. */
must_check int ns_read_pids(struct dump *d, struct err *e);
/* A number of ours as the tree sees it; 0: it is of nobody in the tree. */
int ns_pid_inside(const struct dump *d, int pid);
int ns_group_inside(const struct dump *d, int pgrp);
int ns_session_inside(const struct dump *d, int session);
/* Whether the tree has one of its own. */
bool ns_is_own(const struct dump *d, enum ns kind);
/* Of the tree's own network namespace, for the images of sockets. True: it has one. */
bool ns_of_sockets(const struct dump *d, uint32_t *ret_id);
/* Runs a function in the tree's namespace of this kind. */
must_check int ns_run(struct dump *d, enum ns kind, int (*run)(void *arg, struct err *e), void *arg,
		      struct err *e);
/* The same by the thread that calls, so that it is still the tracer. */
must_check int ns_visit(struct dump *d, enum ns kind, int (*run)(void *arg, struct err *e),
			void *arg, struct err *e);
/* dump/ns/net_quiet.c: the tree is gone, and nothing of its network namespace is to answer any more. */
void ns_quiet_net(struct dump *d);
/* Whether a process lives in another network namespace than we do: asked before ns_read(). */
bool ns_nets_differ(const struct task *t);

#endif
