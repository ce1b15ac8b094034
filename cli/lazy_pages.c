/* 'lazy-pages'; see server.h. */
#include "cli/server.h"

#include <unistd.h>

#include "lazy/daemon.h"
#include "lib/pidfile.h"
#include "lib/status.h"
#include "pages/tls.h"

static int run(struct lazy_daemon *d, const struct options *opt, struct err *e)
{
	if (opt->detached && (server_to_background(e) < 0 || pidfile_write(opt, getpid(), e) < 0))
		return e->code;
	return status_ready(opt, e) < 0 ? e->code : lazy_daemon_run(d, e);
}

int lazy_pages_run(const struct options *opt, struct err *e)
{
	struct lazy_daemon *d = NULL;
	int r = opt->pages.server ? tls_check(opt, e) : 0;

	if (r == 0)
		r = lazy_daemon_begin(&d, opt, e);
	if (r == 0)
		r = run(d, opt, e);
	lazy_daemon_free(d);
	return r;
}
