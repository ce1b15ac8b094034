/* UNIX sockets of a restore: shared by restore/fd/unixsk*.c. */
#ifndef STASIS_RESTORE_FD_UNIXSK_H
#define STASIS_RESTORE_FD_UNIXSK_H

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "images/fd/sk_queue.pb-c.h"
#include "images/fd/unixsk.pb-c.h"
#include "images/fd/unixsk_extra.pb-c.h"
#include "restore/actor.h"
#include "restore/files_table.h"

/* Values of the images. */
enum {
	UNIXSK_ESTABLISHED = 1,
	UNIXSK_CLOSE = 7,
	UNIXSK_LISTEN = 10,
	UNIXSK_OUTSIDE = 1, /* uflags */
};

struct message {
	char *bytes;
	uint32_t size;
	uint32_t *rights; /* file ids of descriptors that come with it */
	size_t right_count;
};

enum { RIGHTS_MAX = 253 };

struct rsocket {
	struct restore *r;
	const UnixSkEntry *entry;
	UnixExtraEntry *extra; /* NULL: none */
	struct message *messages;
	size_t message_count, sent;
	struct rsocket *peer;	 /* NULL: none that the images have */
	struct rsocket *name_of; /* a socket with the same name that listens, or had before */
	bool stands_for;	 /* nobody's: a peer outside of the tree */
	bool inherited;		 /* --inherit-fd: nothing is done to it */
	bool accepted;		 /* comes out of a listening socket */
	int fd;			 /* -1: not made */
	bool given;		 /* the descriptor is that of a file, which closes it */
	int other; /* the end of a peer that is gone, until the data is in; -1: none */
	bool bound;
	int file;	/* O_PATH, of the file that it is bound to; -1: none */
	bool made_file; /* which was not there before */
};

struct rsockets {
	struct rsocket *at; /* ascending by inode */
	size_t count;
	bool done;
};

/* An address as the calls want it; longer than sockaddr_un when it fills that. */
struct unix_address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
		struct sockaddr_storage room;
	};
};

struct rsocket *rsockets_find(const struct rsockets *all, uint32_t inode);
struct rsocket *rsockets_find_id(const struct rsockets *all, uint32_t id);
/* "fd 7 (unixsk) of pid 12" in front of an error. */
int rsocket_blame(const struct rsocket *s, struct err *e);
static inline bool rsocket_is_path(const struct rsocket *s)
{
	return s->entry->name.len && s->entry->name.data[0];
}
static inline bool rsocket_same_name(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* restore/fd/unixsk_load.c */
must_check int rsockets_load(struct restore *r, struct err *e);
void rsockets_close(struct restore *r);

/* restore/fd/unixsk_name.c */
/* Gives a socket a name; one that others find it by, or (hidden) only the words. */
must_check int rsocket_bind(struct rsocket *s, struct err *e);
must_check int rsocket_bind_hidden(struct restore *r, int fd, const ProtobufCBinaryData *name,
				   struct err *e);
/* By which address a socket of ours can be reached. ret_hold: a descriptor that is needed meanwhile. */
must_check int rsocket_address(int fd, struct unix_address *ret, int *ret_hold, struct err *e);
void rsocket_set_address(struct unix_address *ret, const ProtobufCBinaryData *name);
/* Owner and mode, when all who belong to it are connected. */
must_check int rsocket_open_file(struct rsocket *s, struct err *e);
void rsocket_remove_file(struct rsocket *s);

/* restore/fd/unixsk_connect.c */
must_check int rsockets_connect(struct rsockets *all, struct err *e);
must_check int rsocket_new(const struct rsocket *like, int *ret_fd, struct err *e);
/* Two ends, made by whom the socket has for a peer. */
must_check int rsocket_pair(const struct rsocket *s, int ret[2], struct err *e);
static inline bool rsocket_is_stream(const struct rsocket *s)
{
	return s->entry->type != SOCK_DGRAM;
}

static inline bool rsocket_is_connected(const struct rsocket *s)
{
	return s->entry->state == UNIXSK_ESTABLISHED;
}

/* A stream to the machine's log. Datagrams have an entry for their peer. */
static inline bool rsocket_is_logging(const struct rsocket *s)
{
	return rsocket_is_stream(s) && s->extra && s->extra->has_greeting;
}

static inline bool rsocket_listens(const struct rsocket *s)
{
	return s && s->entry->state == UNIXSK_LISTEN;
}

static inline const UnixCred *rsocket_cred_of(const struct rsocket *s)
{
	return s->extra ? s->extra->peer : NULL;
}

/* A call whose maker the kernel notes: by that one, or by us (NULL). */
int rsocket_act(const struct rsocket *s, const UnixCred *cred, int (*call)(void *), void *arg);
/* Those that were made together: restore/fd/unixsk_pair.c. */
must_check int rsockets_make_pairs(struct rsockets *all, struct err *e);
void rsocket_actor(const struct restore *r, struct actor *ret, const UnixCred *cred);

/* restore/fd/unixsk_fill.c */
/* What was sent by others than the peer, before there is one. */
must_check int rsocket_fill_early(struct rsockets *all, struct rsocket *s, struct err *e);
must_check int rsocket_fill(struct rsocket *s, struct err *e);

#endif
