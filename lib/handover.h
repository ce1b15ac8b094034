/*
 * A tree that goes from one owner to another: what a dump and a restore have to say to each other at their ends, whoever
 * carries the words (migrate/). options.handover leads to it; NULL: nobody else is involved.
 *
 * Each function returns 0 or -errno, and may wait for the other side.
 */
#ifndef STASIS_LIB_HANDOVER_H
#define STASIS_LIB_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* A process that is to be ended on this side when it lives on the other one. */
struct handover_task {
	int pid;
	uint64_t start_time;
	bool stopped; /* it was before we came: it is not to be continued */
};

struct handover_tree {
	const struct handover_task *tasks; /* the root first */
	size_t count;
	const char *
		lock; /* a network lock that stays until somebody has the tree for good; NULL: none */
};

/* Who has it. */
enum handover_owner { OWNER_HERE, OWNER_THERE, OWNER_UNKNOWN };

struct handover {
	void *arg;

	/* --- of a dump --- */
	/* Pages are about to be sent while the tree runs. */
	int (*rounds)(void *arg, struct err *e);
	/* A round begins; 0: the tree stands still for the last time. */
	void (*round)(void *arg, unsigned number, uint64_t bytes);
	/* So many pages were written in the round that has ended, while it took so long. */
	void (*written)(void *arg, uint64_t bytes, uint64_t took_us);
	/* The tree stands still, and all of a stream that begins now is what it was then. */
	int (*frozen)(void *arg, struct err *e);
	/* All has been sent: waits until the other side stands ready. asked: whether we are to stop. */
	int (*sent)(void *arg, int (*asked)(void *guard, struct err *e), void *guard,
		    struct err *e);
	/* Notes that it is given up. It must not run from then on, unless the other side says that it has not got it. */
	int (*give)(void *arg, const struct handover_tree *tree, struct err *e);
	/* Tells the other side, and finds out who has it: an error says why it is ours after all. */
	int (*commit)(void *arg, enum handover_owner *ret, struct err *e);
	uint64_t *sent_bytes; /* counted here */
	uint64_t bandwidth;   /* bytes a second; 0: no limit */

	/* --- of a restore --- */
	/* All stands ready; returns when the word has come. */
	int (*ready)(void *arg, int root, struct err *e);
	/* It is free to run, and does when this returns. */
	int (*own)(void *arg, struct err *e);
};

#endif
