/* What servers have in common: 'service', 'page-server', 'lazy-pages'. */
#ifndef STASIS_CLI_SERVER_H
#define STASIS_CLI_SERVER_H

#include "cli/options.h"

/* The process that was started ends; the rest is done by a child in a session of its own. */
must_check int server_to_background(struct err *e);
/* --pidfile and --status-fd: requests are taken from now on. */
must_check int server_tell_ready(const struct options *opt, struct err *e);

/* The same in two parts: listens (*ret_fd, not for --ps-socket), and serves one connection; the listener is closed. */
must_check int page_server_listen(const struct options *opt, int *ret_fd, int *ret_port,
				  struct err *e);
must_check int page_server_serve(const struct options *opt, int *listener, struct err *e);
/* 'page-server': stores the pages of one connection, or with --lazy-pages gives those of the images directory. */
must_check int page_server_run(const struct options *opt, struct err *e);
/* 'lazy-pages': ends by itself when all pages are there; comes back if that cannot be. */
must_check int lazy_pages_run(const struct options *opt, struct err *e);

#endif
