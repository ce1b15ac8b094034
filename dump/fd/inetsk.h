/* IPv4 and IPv6 sockets of a dump: shared by dump/fd/inetsk*.c. */
#ifndef STASIS_DUMP_FD_INETSK_H
#define STASIS_DUMP_FD_INETSK_H

#include "dump/files.h"
#include "images/fd/inetsk.pb-c.h"
#include "images/fd/inetsk_extra.pb-c.h"
#include "images/fd/tcp.pb-c.h"

struct inetsk {
	struct file *file;
	InetSkEntry *entry;
	InetExtraEntry *extra;
	bool has_extra; /* extra is worth being written */
};

struct inetsk *inetsk_of(const struct file *f);
/* A state with a peer: something of the connection has to be saved. */
bool inetsk_is_connected(const struct inetsk *s);
/* State, addresses, what was shut down: what packets may change. fd: our copy. */
must_check int inetsk_read_state(struct inetsk *s, int fd, struct err *e);

/* UDP: what can be in the way, and multicast groups. dump/fd/inetsk_udp.c */
must_check int inetsk_read_datagrams(struct inetsk *s, int fd, struct err *e);
must_check int inetsk_read_groups(struct inetsk *s, int fd, struct err *e);

/* Options of IP, TCP and those that sk_opts_entry has no field for. dump/fd/inetsk_opts.c */
must_check int inetsk_read_options(struct inetsk *s, int fd, struct err *e);

/* Blocks all connections and writes what is in them. dump/fd/inetsk_tcp.c */
must_check int inetsk_save_connections(struct dump *d, struct err *e);

#endif
