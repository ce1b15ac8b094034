/* IPv4 and IPv6 sockets of a dump: shared by dump/fd/inetsk*.c. */
#ifndef STASIS_DUMP_FD_INETSK_H
#define STASIS_DUMP_FD_INETSK_H

#include "dump/files.h"
#include "images/fd/inetsk.pb-c.h"
#include "images/fd/inetsk_extra.pb-c.h"
#include "images/fd/tcp.pb-c.h"
#include "lib/netlock.h"

struct image;

struct inetsk {
	struct file *file;
	InetSkEntry *entry;
	InetExtraEntry *extra;
	bool has_extra;	  /* extra is worth being written */
	uint32_t waiting; /* of one that listens: how many nobody has accepted */
	struct netlock_pair *waiting_ends;
};

struct inetsk *inetsk_of(const struct file *f);
bool inetsk_is_tcp(const struct inetsk *s); /* or MPTCP */
bool inetsk_is_udp(const struct inetsk *s);
/* A state with a peer: something of the connection has to be saved. */
bool inetsk_is_connected(const struct inetsk *s);
/* State, addresses, what was shut down: what packets may change. fd: our copy. */
must_check int inetsk_read_state(struct inetsk *s, int fd, struct err *e);

/* UDP: what can be in the way, and multicast groups. dump/fd/inetsk_udp.c */
must_check int inetsk_read_datagrams(struct inetsk *s, int fd, struct err *e);
/* Unread ones. dump/fd/inetsk_datagrams.c */
must_check int inetsk_save_datagrams(struct inetsk *s, int fd, struct image *img, struct err *e);
must_check int inetsk_read_groups(struct inetsk *s, int fd, struct err *e);

/* Raw ones, and those of ICMP. dump/fd/inetsk_raw.c */
must_check int inetsk_read_raw_peer(struct inetsk *s, struct err *e);
void inetsk_read_raw_options(struct inetsk *s, int fd);
void inetsk_lose_unread(const struct inetsk *s, int fd);

/* Options of IP, TCP and those that sk_opts_entry has no field for. dump/fd/inetsk_opts.c */
must_check int inetsk_read_options(struct inetsk *s, int fd, struct err *e);
/* Refuses one that is not of ours. */
must_check int inetsk_check_namespace(struct inetsk *s, int fd, struct err *e);

/* What is in a connection. dump/fd/inetsk_read.c */
struct inetsk_reading {
	struct inetsk *s; /* whose it is */
	int fd;		  /* in repair */
	uint32_t state;
	TcpStreamEntry stream;
	char *received, *sent; /* of sent, the last outq_len bytes count */
	size_t sent_size;
};
must_check int inetsk_read_connection(struct inetsk_reading *r, struct err *e);
must_check int inetsk_count(int fd, unsigned long request, uint32_t *ret, struct err *e);
/* Up to so many of the bytes that wait in the queue chosen. */
must_check int inetsk_look(int fd, char *buf, size_t size, ssize_t *ret, struct err *e);

/* Connections that wait in a listening socket. dump/fd/inetsk_waiting.c */
must_check int inetsk_save_waiting(struct inetsk *s, int fd, struct image *img, struct err *e);

/* Blocks all connections and writes what is in them. dump/fd/inetsk_tcp.c */
must_check int inetsk_save_connections(struct dump *d, struct err *e);

#endif
