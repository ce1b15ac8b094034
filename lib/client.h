/*
 * Who has asked for a dump or restore over a socket (cli/rpc_*), as far as dump and restore have to know: somebody
 * who is told of its events, and who may not see every process.
 */
#ifndef STASIS_LIB_CLIENT_H
#define STASIS_LIB_CLIENT_H

#include "lib/err.h"

/* "pre-dump", "post-restore" and so on. */
struct event {
	const char *name;
	int pid; /* of the root task as we see it, 0: there is none yet */
	int fd;	 /* goes with it, -1: none; not owned */
};

struct client {
	/* Comes back when the client has agreed; NULL: it does not want to be told. */
	int (*tell)(const struct client *c, const struct event *event, struct err *e);
	/* Whether it may look into this process or thread; NULL: into all. */
	int (*may_trace)(const struct client *c, int tid, struct err *e);
};

#endif
