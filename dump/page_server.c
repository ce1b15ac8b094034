/* Pages for a page server; see page_server.h. */
#include "dump/page_server.h"

#include <errno.h>

#include "dump/guard.h"
#include "dump/track.h"
#include "images/image.h"
#include "pages/client.h"
#include "pages/tls.h"

int dserver_check_options(const struct options *opt, struct err *e)
{
	const char *with = NULL;

	if (!opt->pages.server || opt->pages.lazy)
		return 0;
	if (opt->stream)
		with = "--stream";
	else if (opt->compress.codec)
		with = "--compress";
	else if (opt->compress.once)
		with = "--dedup-pages";
	if (with) {
		err_say(e, "options '--page-server' and '%s' exclude each other", with);
		return err_hint(e, "a page server stores pages as they are; 'stasis convert' can "
				   "change them there");
	}
	if (opt->auto_dedup) {
		err_say(e, "option '--auto-dedup' is not for a dump to a page server");
		return err_hint(e, "give it to the page server, which has the pages");
	}
	if (opt->freeze == FREEZE_PRECOPY || opt->freeze == FREEZE_COW)
		return err_say(e,
			       "options '--page-server' and '--freeze=%s' exclude each other: a "
			       "page server takes the pages of one moment",
			       freeze_word(opt->freeze));
	return tls_check(opt, e);
}

static int go_on(void *arg, struct err *e)
{
	struct dump *d = arg;

	return d->guard ? guard_check(d->guard, e) : 0;
}

int dserver_begin(struct dump *d, struct err *e)
{
	struct page_client *c;

	if (!d->opt->pages.server || d->opt->pages.lazy)
		return 0;
	c = pool_new(&d->pool, struct page_client);
	c->link.patience = d->opt->timeout;
	c->link.go_on = go_on;
	c->link.arg = d;
	if (page_client_begin(c, d->opt, e) < 0)
		return e->code;
	d->outlet = &c->outlet;
	return 0;
}

bool dserver_takes(const struct dump *d)
{
	return d->outlet || d->opt->pages.lazy;
}

int dserver_ask(struct dump *d, struct track *k, struct err *e)
{
	bool has = true;

	if (d->outlet &&
	    page_client_has((struct page_client *)d->outlet, IMG_PAGEMAP, k->inner, &has, e) < 0)
		return e->code;
	if (!has)
		ranges_free(&k->known);
	return 0;
}

int dserver_finish(struct dump *d, struct err *e)
{
	return d->outlet ? page_client_finish((struct page_client *)d->outlet, e) : 0;
}

void dserver_close(struct dump *d)
{
	if (d->outlet)
		page_client_drop((struct page_client *)d->outlet);
	d->outlet = NULL;
}
