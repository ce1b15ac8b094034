/*
 * Who is at the other end of a socket: its process, user and groups as the kernel tells them (SO_PEERCRED,
 * SO_PEERGROUPS, SO_PEERPIDFD), and what may be done for it. With a socketpair it is the process that has made the pair.
 */
#ifndef STASIS_LIB_PEER_H
#define STASIS_LIB_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct peer {
	int pid;
	int pidfd; /* -1: the kernel gives none */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t group_count;
	bool owner; /* has our user and all of our capabilities: it could do by itself what we do */
};

void peer_free(struct peer *p);
#define own_peer __attribute__((cleanup(peer_free))) struct peer

/* -ESRCH: it has ended. */
must_check int peer_read(int sock, struct peer *ret, struct err *e);
/* Numbers of processes mean the same to it and to us. */
must_check int peer_check_namespace(const struct peer *p, struct err *e);
/* Opens what its descriptor num is of; 'what' names it in the error. */
must_check int peer_open(const struct peer *p, int num, int flags, int *ret_fd, struct err *e);
/* From now on this thread, and those that it starts, have the peer's rights to files. */
must_check int peer_act_as(const struct peer *p, struct err *e);
/* Whether it could attach to the process or thread; asked of the kernel by a process that has its rights. */
must_check int peer_may_trace(const struct peer *p, int tid, struct err *e);

#endif
