/*
 * A connection that pages go over: TCP or a socket that was passed to us, plain or under TLS (tls.h). Small things are gathered
 * and sent together; whoever waits can be interrupted, and has no more patience than it was told.
 */
#ifndef STASIS_PAGES_LINK_H
#define STASIS_PAGES_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/options.h"

struct tls;

struct page_link {
	int fd; /* -1: there is none */
	struct tls *tls;
	unsigned patience; /* seconds without any progress, 0: no end */
	/* Asked now and then by whoever waits; NULL: nobody. */
	int (*go_on)(void *arg, struct err *e);
	void *arg;
	char *out; /* what was not sent yet */
	size_t out_count;
	char name[96]; /* of the other side, for sentences */
};

/* All fields but go_on, arg and patience are set. */
must_check int link_connect(struct page_link *l, const struct options *opt, struct err *e);
/* -1: --ps-socket was given, which needs none. */
must_check int link_listen(const struct options *opt, int *ret_fd, int *ret_port, struct err *e);
/* Of a listener, or the socket of --ps-socket. */
must_check int link_accept(struct page_link *l, int listener, const struct options *opt,
			   struct err *e);
/* Sends what was gathered, ends TLS, closes. A link that is closed already is fine. */
void link_close(struct page_link *l);
/* Just closes: for whoever does not own what goes over it. */
void link_drop(struct page_link *l);

must_check int link_write(struct page_link *l, const void *data, size_t size, struct err *e);
must_check int link_flush(struct page_link *l, struct err *e);
/* Exactly so many bytes. */
must_check int link_read(struct page_link *l, void *buf, size_t size, struct err *e);
/* The same of a message: 0 when the other side has ended before its first byte, which is waited for without end; else 1. */
must_check int link_read_first(struct page_link *l, void *buf, size_t size, struct err *e);

/* -EAGAIN, with a sentence, when the other side does not do what it should. */
must_check int link_wait(struct page_link *l, short events, bool patiently, struct err *e);

#endif
