/*
 * Blocks single TCP connections, both ways and without an answer to anybody, by a table of nftables: neither end can tell it from
 * a network that loses packets. Only netlock.c knows libnftables.
 */
#ifndef STASIS_LIB_NETLOCK_H
#define STASIS_LIB_NETLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { NETLOCK_MARK = 0xc114 }; /* packets with this mark pass: CRIU's */

/* The two ends of a connection. IPv4 uses the first four bytes. there_port 0: all that want to begin one to this port. */
struct netlock_pair {
	bool six;
	uint8_t here[16], there[16];
	uint16_t here_port, there_port;
};

struct netlock;

/*
 * A table that is ours: the kernel removes it when we and whoever has our descriptors are gone, however that comes. When this
 * returns no packet of these connections is on its way through the kernel any more.
 */
must_check int netlock_hold(const struct netlock_pair *pairs, size_t count, struct netlock **ret,
			    struct err *e);
/* Removes it. NULL, and a second call, do nothing. */
void netlock_drop(struct netlock **lock);
/* A table that stays until somebody removes it by its name. One of that name is replaced. */
must_check int netlock_leave(const char *table, const struct netlock_pair *pairs, size_t count,
			     struct err *e);
/* There may be none. */
must_check int netlock_remove(const char *table, struct err *e);

#endif
