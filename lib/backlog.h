/*
 * Connections that wait in a listening socket to be accepted. Nobody can look into one, or put one there, without the kernel having made it by
 * packets: so it is made by packets, with the sequence numbers that the other side knows. The ones of ours the kernel would choose by
 * chance, but for a port where the last connection of the same two ends has just ended: there they follow those of that one, which
 * is made for the purpose (TCP_REPAIR) and ends before it has begun.
 *
 * All of that needs the connections to be blocked (lib/netlock.h).
 */
#ifndef STASIS_LIB_BACKLOG_H
#define STASIS_LIB_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/netlock.h"

struct backlog_connection {
	struct netlock_pair ends;
	uint32_t sent;	   /* the number of the first byte that we would send */
	uint32_t received; /* the number of the first unread byte */
	uint32_t size;	   /* how many are unread */
	uint32_t window;   /* of the other side, in bytes */
	uint32_t mss;
	uint32_t options; /* TCPI_OPT_... */
	uint32_t snd_wscale, rcv_wscale;
	uint32_t timestamp; /* of our clock, with TCPI_OPT_TIMESTAMPS */
	bool ended;	    /* the other side has said that nothing more comes */
	bool reset;	    /* or that there is no connection any more */
	char *data;
};

/* All of them, in this order, into a queue where nobody waits, which is tried with each before it counts. May leave out a clock. */
must_check int backlog_fill(int listener, struct backlog_connection *all, size_t count,
			    struct err *e);
/* Whether that can be done here: with a listening socket and a connection of our own between two ports of an address. */
must_check int backlog_try(const struct netlock_pair *ends, struct err *e);

#endif
