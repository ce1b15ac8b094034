/* One source behind another; see source.h. */
#include "lazy/source.h"

#include <errno.h>

static int chain_read(struct lazy_source *s, const struct page_want *w, void *to,
		      uint64_t *ret_pages, struct err *e)
{
	struct source_chain *c = (struct source_chain *)s;
	int r = c->first->read(c->first, w, to, ret_pages, e);

	return r == -ENODATA && !e->code ? c->second->read(c->second, w, to, ret_pages, e) : r;
}

static void chain_descriptors(const struct lazy_source *s, void (*add)(void *arg, int fd),
			      void *arg)
{
	const struct source_chain *c = (const struct source_chain *)s;

	c->first->descriptors(c->first, add, arg);
	c->second->descriptors(c->second, add, arg);
}

static void chain_close(struct lazy_source *s)
{
	(void)s;
}

static void chain_done(struct lazy_source *s)
{
	struct source_chain *c = (struct source_chain *)s;

	if (c->first->done)
		c->first->done(c->first);
	if (c->second->done)
		c->second->done(c->second);
}

void source_chain_begin(struct source_chain *c, struct lazy_source *first,
			struct lazy_source *second)
{
	c->source = (struct lazy_source){ chain_read, chain_descriptors, chain_close, chain_done };
	c->first = first;
	c->second = second;
}
