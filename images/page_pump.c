/*
 * The pump between a source of pages and a sink: each thread takes the next piece, reads it into a buffer that stays in
 * the cache, and puts it from there; neither call alone keeps a processor from waiting for memory.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "images/manifest.h"
#include "images/page_sink.h"
#include "lib/own.h"

struct copying {
	const struct page_source *source;
	struct page_sink *sink;
	uint64_t total, next; /* not taken yet */
	size_t piece;
	pthread_mutex_t lock;
	bool failed;
};

struct copier {
	struct copying *c;
	struct page_hand hand;
	char *buf;
	struct err err;
	pthread_t thread;
};

/* The next piece; size 0: there is none. */
static void take(struct copying *c, struct page_piece *p)
{
	pthread_mutex_lock(&c->lock);
	p->at = c->next;
	p->size = c->total - p->at < c->piece ? c->total - p->at : c->piece;
	if (c->failed)
		p->size = 0;
	c->next += p->size;
	pthread_mutex_unlock(&c->lock);
}

static void *copy_pieces(void *arg)
{
	struct copier *me = arg;
	struct copying *c = me->c;
	struct page_piece p = {};

	for (;;) {
		take(c, &p);
		if (p.size == 0)
			break;
		if (c->source->read(c->source, &p, me->buf, &me->err) < 0 ||
		    page_sink_put(c->sink, &me->hand, &p, me->buf, &me->err) < 0) {
			pthread_mutex_lock(&c->lock);
			c->failed = true;
			pthread_mutex_unlock(&c->lock);
			break;
		}
	}
	if (p.unpacker)
		unpacker_end(p.unpacker);
	free(p.unpacker);
	return NULL;
}

static int prepare(struct copier *me, struct copying *c, struct err *e)
{
	me->c = c;
	me->buf = malloc(c->piece);
	if (!me->buf)
		return err_sys(e, "memory for copying");
	return page_hand_begin(&me->hand, c->sink, e);
}

int page_pump(const struct page_source *s, uint64_t bytes, struct page_sink *sink, struct err *e)
{
	struct copying c = { .source = s,
			     .sink = sink,
			     .total = bytes,
			     .piece = page_sink_piece(sink),
			     .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned int threads = page_sink_threads(sink, bytes), started = 1;
	own_mem struct copier *all = calloc(threads, sizeof(*all));
	int r = 0;

	if (bytes == 0)
		return 0;
	if (!all)
		return err_sys(e, "memory for copying");
	if (!sink->packer && !sink->stream && !sink->sums)
		sink->sums = malloc(manifest_chunks(bytes) * sizeof(*sink->sums));
	for (unsigned int i = 0; i < threads && r == 0; i++)
		r = prepare(&all[i], &c, e);
	for (; started < threads && r == 0; started++)
		if (pthread_create(&all[started].thread, NULL, copy_pieces, &all[started]) != 0)
			break; /* then those that are there do it */
	if (r == 0)
		copy_pieces(&all[0]);
	for (unsigned int i = 1; i < started; i++)
		pthread_join(all[i].thread, NULL);
	for (unsigned int i = 0; i < threads; i++) {
		if (r == 0 && all[i].err.code) {
			*e = all[i].err;
			r = e->code;
		}
		free(all[i].buf);
		page_hand_end(&all[i].hand, sink);
	}
	return r;
}
