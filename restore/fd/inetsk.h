/* IPv4 and IPv6 sockets of a restore: shared by restore/fd/inetsk*.c. */
#ifndef STASIS_RESTORE_FD_INETSK_H
#define STASIS_RESTORE_FD_INETSK_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "images/fd/inetsk.pb-c.h"
#include "images/fd/inetsk_extra.pb-c.h"
#include "images/fd/tcp.pb-c.h"
#include "lib/backlog.h"
#include "lib/netlock.h"
#include "restore/files_table.h"

/* States of TCP, as the images have them. */
enum {
	INETSK_ESTABLISHED = 1,
	INETSK_SYN_SENT = 2,
	INETSK_FIN_WAIT1 = 4,
	INETSK_FIN_WAIT2 = 5,
	INETSK_CLOSE = 7,
	INETSK_CLOSE_WAIT = 8,
	INETSK_LAST_ACK = 9,
	INETSK_LISTEN = 10,
	INETSK_CLOSING = 11,
};

struct rinet {
	struct restore *r;
	InetSkEntry *entry;
	InetExtraEntry *extra;	/* NULL: none */
	TcpStreamEntry *stream; /* of a connection, else NULL */
	char *received, *sent;
	int fd;		/* -1: not made */
	bool given;	/* the descriptor is that of a file, which closes it */
	bool connected; /* in repair, until it is released */
	bool ended;	/* its connection has left something behind: unread bytes, or an error */
};

/* A connection that waits in a listening socket. */
struct rinet_waiting {
	const struct rinet *s;
	struct backlog_connection connection;
};

struct rinets {
	struct rinet *at; /* ascending by id */
	size_t count;
	uint32_t *on_port;	    /* how many have each of the ports */
	struct netlock_pair *pairs; /* of all connections */
	size_t pair_count;
	bool some_ended;
	struct rinet_waiting *waiting; /* those of one socket together, in their order */
	size_t waiting_count;
	struct rinet_datagram *datagrams; /* restore/fd/inetsk_datagrams.c */
	size_t datagram_count;
	struct netlock *lock; /* NULL: none */
};

union inet_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct rinet *rinets_find(const struct rinets *all, uint32_t id);
/* "fd 7 (inetsk) of pid 12" in front of an error. */
int rinet_blame(const struct rinet *s, struct err *e);
/* Our end, or the other one, as calls want it. */
must_check int rinet_address(const struct rinet *s, bool there, union inet_address *ret,
			     socklen_t *ret_size, struct err *e);
/* "10.0.0.1:80" */
void rinet_words(const struct rinet *s, bool there, char *buf, size_t size);
/* Binds it to its own address, if it has any. */
must_check int rinet_bind(const struct rinet *s, struct err *e);
bool rinet_has_peer(const struct rinet *s);

/* restore/fd/inetsk_raw.c: what only raw sockets and those of ICMP have. */
int rinet_socket(const InetSkEntry *sk, struct err *e);
must_check int rinet_set_raw(const struct rinet *s, struct err *e);

/* restore/fd/inetsk_load.c */
must_check int rinets_load(struct restore *r, struct err *e);
void rinets_close(struct restore *r);
/* restore/fd/inetsk.c: nothing of the connections that are to be comes in. A second call does nothing. */
must_check int rinets_block(struct restore *r, struct err *e);

/* restore/fd/inetsk_tcp.c: a socket becomes the connection, still in repair. */
must_check int rinet_connect(struct rinet *s, struct err *e);

/* restore/fd/inetsk_udp.c: a peer, and groups. */
must_check int rinet_join(const struct rinet *s, struct err *e);

/* restore/fd/inetsk_ended.c: what its connection has left behind comes into it by one to nobody, which ends at once. */
must_check int rinet_end_at_nobody(struct rinet *s, struct err *e);
must_check int rinet_end(struct rinet *s, struct err *e);
/* Fills what is received, in repair. */
must_check int rinet_fill_received(const struct rinet *s, struct err *e);

/* restore/fd/inetsk_waiting.c: those that wait to be accepted. */
must_check int rinets_load_waiting(struct restore *r, struct rinets *all, struct err *e);
must_check int rinets_fill_waiting(const struct rinets *all, struct err *e);

/* restore/fd/inetsk_datagrams.c: those that nobody has read. Before it is connected. */
must_check int rinets_load_datagrams(struct restore *r, struct rinets *all, struct err *e);
void rinets_forget_datagrams(struct rinets *all);
void rinet_fill_datagrams(const struct rinets *all, const struct rinet *s);
/* Room for whatever is put into it; its options bring it back. */
void rinet_make_room(int fd);

/* The ends of a connection, as its packets have them, which are of IPv4 for some sockets of IPv6. */
struct netlock_pair rinet_pair(const struct rinet *s);
bool rinet_is_mapped(const uint32_t *words);
/* By --tcp-rebind: the first that fits counts. words: of an address of the images. */
void rinet_rebind(const struct options *opt, uint32_t *words, size_t count);

/*
 * restore/fd/inetsk_inject.c: a packet as if it came from the other side, with all that it has sent and an acknowledgement; returns
 * once the socket is in the state that this leads to.
 */
struct injected {
	uint32_t seq, ack;
	uint16_t window, urgent; /* urgent: 0, or the bytes up to and with the urgent one */
	bool end, reset;	 /* FIN, RST */
	int state;
	const void *data;
	size_t size;
};
must_check int rinet_inject(const struct rinet *s, const struct injected *i, struct err *e);

#endif
