/*
 * What netlink answers: which socket a descriptor is, in words. The only files that know libnl are
 * netlink*.c; the probes of netlink features (kernel_probes.h) are in netlink.c.
 */
#ifndef STASIS_LIB_NETLINK_H
#define STASIS_LIB_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Names the socket behind one of our descriptors (a duplicate of the target's will do) for a
 * sentence: "tcp 127.0.0.1:80 listening", "unix stream '/run/x'", "unix stream without a name,
 * peer inode 4711". Says what it finds and never fails; returns buf's length as snprintf does.
 */
int netlink_socket_describe(int fd, char *buf, size_t size);

/* What sock_diag tells about a unix socket. */
struct netlink_unix {
	uint32_t inode;	  /* of those of netlink_unix_all() */
	uint8_t type;	  /* SOCK_... */
	uint8_t state;	  /* TCP_ESTABLISHED, TCP_CLOSE, TCP_LISTEN */
	uint8_t shutdown; /* 1: for reading, 2: for writing */
	bool has_peer;
	uint32_t peer; /* inode; 0: the peer has no descriptor, or is gone */
	/* Bytes unread and sent, or connections that wait and how many may. */
	uint32_t unread, unsent;
	bool has_file;
	uint32_t file_ino; /* of the socket file, low 32 bits */
	uint32_t *
		waiting; /* inodes of those who wait to be accepted, in their order; the caller frees it */
	size_t waiting_count;
};

/* By the inode of a socket in our network namespace; -ENOENT: there is none. */
int netlink_unix_state(uint32_t inode, struct netlink_unix *ret);
/* Of all there are, sorted by inode: the kernel looks for a single one among all of them each time. 0 or -errno. */
int netlink_unix_all(struct netlink_unix **ret, size_t *ret_count);
const struct netlink_unix *netlink_unix_find(const struct netlink_unix *all, size_t count,
					     uint32_t inode);
void netlink_unix_free(struct netlink_unix *all, size_t count);

/*
 * Whom a socket calls that nobody has answered yet (SYN_SENT), which getpeername(2) does not tell: a port, and an address of 4
 * or 16 bytes. -ENOENT: there is no such socket in our network namespace.
 */
int netlink_tcp_called(int family, uint32_t inode, uint16_t *ret_port, uint8_t ret_address[16]);

struct netlock_pair;
struct netlink_tcp {
	uint8_t state;
	uint32_t unread; /* bytes; an end of the other side counts as one */
};

/* Of the connection with these ends; -ENOENT: there is none. */
int netlink_tcp_state(const struct netlock_pair *ends, struct netlink_tcp *ret);
/*
 * Connections to a port that have no descriptor: those that nobody has accepted yet, half-made ones too. Added to the array (*ret, which
 * may be NULL); the caller frees it. 0 or -errno.
 */
int netlink_tcp_waiting(uint16_t port, struct netlock_pair **ret, size_t *ret_count);

#endif
