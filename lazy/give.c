/* Giving pages; see give.h. */
#include "lazy/give.h"

#include <errno.h>
#include <stdlib.h>

#include "images/pages.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "pages/wire.h"

#define ADDRESSES (1UL << 57)

static int check_want(const struct page_request *r, struct err *e)
{
	if (r->map && r->map <= INT32_MAX && r->vaddr % PAGE_SIZE == 0 && r->vaddr < ADDRESSES &&
	    r->nr_pages && r->nr_pages <= (ADDRESSES - r->vaddr) / PAGE_SIZE)
		return 0;
	return err_say(e, "it asks for %lu pages at %lx of pid %lu, which cannot be", r->nr_pages,
		       r->vaddr, r->map);
}

/* None at all, if there are none. */
static int answer(struct giving *g, struct page_link *l, const struct page_request *r, char *buf,
		  struct err *e)
{
	struct page_want w = { (int)r->map, r->vaddr, r->nr_pages };
	struct page_request a = *r;
	int got;

	a.command = PS_ADD_F | PE_PRESENT << 16;
	a.nr_pages = 0;
	w.pages = w.pages < SOURCE_PAGES ? w.pages : SOURCE_PAGES;
	got = g->source->read(g->source, &w, buf, &a.nr_pages, e);
	if (got < 0 && e->code)
		return err_on(e, "the pages at %lx of pid %d", w.vaddr, w.pid);
	if (got < 0)
		log_debug("nothing is stored at %lx of pid %d, which is asked for", w.vaddr, w.pid);
	if (got == 0 && !g->given && g->first && g->first(g->arg, e) < 0)
		return e->code;
	g->given += a.nr_pages;
	if (request_send(l, &a, e) < 0 || link_write(l, buf, a.nr_pages * PAGE_SIZE, e) < 0)
		return e->code;
	return 0;
}

static int obey(struct giving *g, struct page_link *l, const struct page_request *r, char *buf,
		struct err *e)
{
	switch (request_command(r)) {
	case PS_GET:
		if (check_want(r, e) < 0)
			return e->code;
		return answer(g, l, r, buf, e);
	case PS_CLOSE:
	case PS_FORCE_CLOSE:
		return request_answer(l, 0, e) < 0 ? e->code : 1;
	case PS_ADD:
	case PS_HOLE:
	case PS_OPEN:
	case PS_OPEN2:
	case PS_PARENT:
	case PS_ADD_F:
		err_say(e, "it wants to store pages, and here are pages to be taken");
		return err_hint(e, "a page server takes pages without --lazy-pages");
	default:
		return err_say(e, "there is no command %#x", r->command);
	}
}

int give_pages(struct giving *g, struct page_link *l, struct err *e)
{
	own_mem char *buf = malloc(SOURCE_PAGES * PAGE_SIZE);
	struct page_request r;
	int got = 0;

	if (!buf)
		return err_sys(e, "memory for pages");
	while (got == 0) {
		got = request_receive(l, &r, e);
		if (got <= 0)
			return got;
		got = obey(g, l, &r, buf, e);
	}
	return got;
}
