/* UNIX sockets of a dump: shared by dump/fd/unixsk*.c. */
#ifndef STASIS_DUMP_FD_UNIXSK_H
#define STASIS_DUMP_FD_UNIXSK_H

#include "dump/files.h"
#include "images/fd/sk_queue.pb-c.h"
#include "images/fd/unixsk.pb-c.h"
#include "images/fd/unixsk_extra.pb-c.h"
#include "images/image.h"
#include "lib/netlink.h"

struct unixsk {
	struct file *file;
	struct netlink_unix state; /* 'waiting' is the pool's */
	UnixSkEntry *entry;
	UnixExtraEntry *extra;
	bool error;	    /* a pending one is still to be reported; to read would take it */
	bool has_extra;	    /* extra is worth being written */
	struct file **sent; /* descriptors in its messages */
	size_t sent_count;
};

struct unixsk *unixsk_of(const struct file *f);

/* Its name, where that is relative to, and the socket file. dump/fd/unixsk_name.c */
must_check int unixsk_read_name(struct unixsk *s, int fd, struct err *e);

/* Writes the messages that wait in it; fd: our copy. dump/fd/unixsk_queue.c */
must_check int unixsk_save_queue(struct unixsk *s, int fd, struct err *e);

/* Peers outside of the tree that are the machine's log, or cannot be had again. dump/fd/unixsk_outside.c */
bool unixsk_is_log(const struct unixsk *s);
/* Notes that the restore is to connect it anew. */
must_check int unixsk_reconnect_log(struct unixsk *s, struct err *e);
int unixsk_refuse_outside(const struct unixsk *s, struct err *e);

/* By inode; ret->waiting is the caller's. -errno: it is not known. */
struct files;
int unixsk_ask(struct files *files, uint32_t inode, struct netlink_unix *ret);

#endif
