/* 'page-server'; see server.h. */
#include "cli/server.h"

#include <errno.h>
#include <unistd.h>

#include "images/dedup.h"
#include "lazy/folder.h"
#include "lazy/give.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/pidfile.h"
#include "lib/status.h"
#include "pages/store.h"
#include "pages/tls.h"

enum { PATIENCE = 60 }; /* seconds in the middle of a message */

/* A link that is there already is kept, as by a dump. */
static int link_parent(const struct options *opt, struct err *e)
{
	if (!opt->prev_images_dir)
		return 0;
	if (symlinkat(opt->prev_images_dir, opt->images_fd, "parent") < 0 && errno != EEXIST)
		return err_sys(e, "create the link 'parent'");
	if (faccessat(opt->images_fd, "parent/.", R_OK, 0) < 0) {
		err_sys(e, "open the folder before, '%s'", opt->prev_images_dir);
		return err_hint(e, "--prev-images-dir is relative to the folder of images");
	}
	return 0;
}

static int store(const struct options *opt, struct page_link *l, struct err *e)
{
	if (page_store_run(opt->images_fd, l, e) < 0)
		return e->code;
	return opt->auto_dedup && faccessat(opt->images_fd, "parent", F_OK, 0) == 0 ?
		       dedup_run(opt->images_fd, e) :
		       0;
}

/* Of images, to a 'lazy-pages' elsewhere. */
static int give(const struct options *opt, struct page_link *l, struct err *e)
{
	struct source_folder *f;
	struct giving g = { 0 };
	int r = source_folder_begin(&f, opt->images_fd, e);

	if (r < 0)
		return r;
	g.source = source_folder_source(f);
	r = give_pages(&g, l, e);
	g.source->close(g.source);
	log_info("%lu pages were given", g.given);
	if (r == 0)
		return err_code(e, EPIPE, "%s has left before it said that it has all", l->name);
	return r < 0 ? r : 0;
}

int page_server_serve(const struct options *opt, int *listener, struct err *e)
{
	struct page_link l = { .fd = -1, .patience = PATIENCE };
	int r = link_accept(&l, *listener, opt, e);

	/* It is for one connection. */
	own_close(listener);
	*listener = -1;
	if (r == 0)
		r = opt->pages.lazy ? give(opt, &l, e) : store(opt, &l, e);
	if (r == 0)
		link_close(&l);
	else
		link_drop(&l);
	return r;
}

int page_server_listen(const struct options *opt, int *ret_fd, int *ret_port, struct err *e)
{
	if (tls_check(opt, e) < 0 || link_parent(opt, e) < 0)
		return e->code;
	return link_listen(opt, ret_fd, ret_port, e);
}

int page_server_run(const struct options *opt, struct err *e)
{
	own_fd listener = -1;
	int port;

	if (page_server_listen(opt, &listener, &port, e) < 0)
		return e->code;
	if (opt->detached && (server_to_background(e) < 0 || pidfile_write(opt, getpid(), e) < 0))
		return e->code;
	if (status_ready(opt, e) < 0)
		return e->code;
	return page_server_serve(opt, &listener, e);
}
