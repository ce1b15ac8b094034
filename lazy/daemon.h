/*
 * 'lazy-pages': brings pages to a tree that another process restores ('restore --lazy-pages', of stasis or CRIU), which passes the
 * userfaultfds of the tasks (lazy/socket.h). Pages come from the images, and what is not there from a page server.
 */
#ifndef STASIS_LAZY_DAEMON_H
#define STASIS_LAZY_DAEMON_H

#include "lib/err.h"
#include "lib/options.h"

/* Connects to the page server, if there is to be one, and listens: *ret_listener. */
struct lazy_daemon;
must_check int lazy_daemon_begin(struct lazy_daemon **ret, const struct options *opt,
				 struct err *e);
/* Takes one restore; comes back only if that fails: otherwise the process ends when all pages are there. */
must_check int lazy_daemon_run(struct lazy_daemon *d, struct err *e);
void lazy_daemon_free(struct lazy_daemon *d);

#endif
