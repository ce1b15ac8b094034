/*
 * The channel between the two sides of a migration: messages over whatever connects two pairs of descriptors, which is
 * ssh as a rule. Between messages a stream of images may go over it (images/stream.h), which says itself where it ends.
 *
 * Nobody waits for ever: while something is waited for, go_on is asked, and there may be a deadline.
 */
#ifndef STASIS_MIGRATE_CHANNEL_H
#define STASIS_MIGRATE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

/* Whoever changes what a message says or when it comes changes this. */
enum { MIGRATE_VERSION = 1 };

enum message_kind {
	MESSAGE_HELLO = 1, /* both: the version of the protocol, then a name */
	MESSAGE_OFFER,	   /* what the tree is and needs (offer.h) */
	MESSAGE_ANSWER,	   /* a line for each thing that is not as it has to be; empty: welcome */
	MESSAGE_PROBE,	   /* bytes, to see how fast they come; answered by an empty one */
	MESSAGE_FILE,	   /* a file to be made: its head; DATA follow, the last one is empty */
	MESSAGE_DATA,
	MESSAGE_CHECK,	 /* files that have to be the same, as in an offer; an answer comes back */
	MESSAGE_GATHER,	 /* a stream with rounds follows, to be kept */
	MESSAGE_STREAM,	 /* a stream follows, to be restored as it comes */
	MESSAGE_RESTORE, /* what was gathered is to be restored */
	MESSAGE_READY,	 /* all stands ready to run */
	MESSAGE_COMMIT,	 /* given up over there: it may run here */
	MESSAGE_OWNED,	 /* taken, durably */
	MESSAGE_RUNNING, /* it runs */
	MESSAGE_REFUSED, /* why it goes no further; the last one */
	MESSAGE_ASK,	 /* who has the tree of this migration? */
	MESSAGE_STATE,	 /* the answer: enum handover_owner, as a word */
	MESSAGE_MOVED,	 /* the address is gone over there */
};

struct channel {
	int in, out;
	pid_t child;				/* what carries it; 0: we are the far side */
	int (*go_on)(void *arg, struct err *e); /* may be NULL */
	void *arg;
};

struct message {
	enum message_kind kind;
	char *data; /* NUL behind it */
	size_t size;
};

void message_free(struct message *m);
#define own_message_in __attribute__((cleanup(message_free))) struct message

/* What starts the other side. */
struct transport {
	const char *command; /* -e; NULL: ssh */
	const char *host;
	const char *program; /* over there */
	char *const *words;  /* behind 'receive'; NULL behind them */
};

must_check int channel_open(struct channel *c, const struct transport *t, struct err *e);
void channel_close(struct channel *c);

must_check int channel_send(struct channel *c, enum message_kind kind, const void *data,
			    size_t size, struct err *e);
must_check int channel_text(struct channel *c, enum message_kind kind, const char *text,
			    struct err *e);
/*
 * The next message, whatever it is; seconds: 0 for ever. -ENOTCONN: the other side has gone, -EPROTO: what comes is no
 * message, -ETIMEDOUT.
 */
must_check int channel_receive(struct channel *c, struct message *ret, unsigned seconds,
			       struct err *e);
/* The next one, which has to be of this kind; a refusal is an error that says why (-ECONNREFUSED). */
must_check int channel_expect(struct channel *c, enum message_kind kind, struct message *ret,
			      unsigned seconds, struct err *e);
/* Hello, both ways. */
must_check int channel_greet(struct channel *c, struct err *e);

#endif
