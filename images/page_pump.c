/*
 * The pump between sources of pages and sinks: each thread takes the next piece, reads it into a buffer that stays in
 * the cache, and puts it from there; neither call alone keeps a processor from waiting for memory. A file can be written by
 * one at a time, so threads keep to different ones as long as there are enough.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "images/manifest.h"
#include "images/page_sink.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/thread.h"

enum {
	STRETCH = PAGE_VIEW * PAGE_SIZE, /* bytes that one thread takes in a row */
	STRETCHES = 8,			 /* each has so many, if there is not enough for all */
};

struct transfer {
	const struct page_transfer *what;
	uint64_t next;	      /* not taken yet */
	unsigned int threads; /* that are at it */
};

struct pump {
	struct transfer *all;
	size_t count, piece;
	uint64_t stretch;
	pthread_mutex_t lock;
	bool failed;
	size_t failed_at;
	struct err err;
};

struct copier {
	struct pump *pump;
	struct transfer *at; /* NULL: nothing yet */
	struct page_hand hand;
	struct page_piece piece;
	char *buf;
	pthread_t thread;
};

static uint64_t left(const struct transfer *t)
{
	return t->what->bytes - t->next;
}

/* Where fewest are, and of these the one with most to do; NULL: nobody is needed any more. */
static struct transfer *choose(const struct pump *p)
{
	struct transfer *best = NULL;

	for (size_t i = 0; i < p->count; i++) {
		struct transfer *t = &p->all[i];

		if (!left(t) || t->threads >= page_sink_most(t->what->sink))
			continue;
		if (!best || t->threads < best->threads ||
		    (t->threads == best->threads && left(t) > left(best)))
			best = t;
	}
	return best;
}

static void forget(struct copier *me)
{
	if (me->piece.unpacker)
		unpacker_end(me->piece.unpacker);
	free(me->piece.unpacker);
	me->piece = (struct page_piece){};
}

static void begin_stretch(struct copier *me)
{
	struct transfer *t = me->at;
	uint64_t size = left(t) < me->pump->stretch ? left(t) : me->pump->stretch;

	me->piece.at = t->next;
	me->piece.next = t->next += size;
}

/* The next stretch, of another transfer if there is none in this one. */
static bool take_stretch(struct copier *me)
{
	struct pump *p = me->pump;
	struct transfer *was = me->at;

	pthread_mutex_lock(&p->lock);
	if (!was || !left(was)) {
		if (was)
			was->threads--;
		me->at = choose(p);
		if (me->at)
			me->at->threads++;
	}
	if (me->at != was)
		forget(me);
	if (me->at)
		begin_stretch(me);
	pthread_mutex_unlock(&p->lock);
	return me->at;
}

static bool take(struct copier *me)
{
	struct page_piece *p = &me->piece;

	if (__atomic_load_n(&me->pump->failed, __ATOMIC_RELAXED))
		return false;
	p->at += p->size;
	if (p->at == p->next && !take_stretch(me))
		return false;
	p->size = p->next - p->at < me->pump->piece ? p->next - p->at : me->pump->piece;
	return true;
}

/* What came first is kept; the others stop because of it, or have the same to say. */
static void fail(struct copier *me, const struct err *e)
{
	struct pump *p = me->pump;

	pthread_mutex_lock(&p->lock);
	if (!p->failed) {
		p->err = *e;
		p->failed_at = me->at - p->all;
	}
	__atomic_store_n(&p->failed, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->lock);
}

static void *copy_pieces(void *arg)
{
	struct copier *me = arg;
	struct err e = { 0 };

	while (take(me)) {
		const struct page_transfer *t = me->at->what;

		if (t->source->read(t->source, &me->piece, me->buf, &e) < 0 ||
		    page_sink_put(t->sink, &me->hand, &me->piece, me->buf, &e) < 0) {
			fail(me, &e);
			break;
		}
	}
	forget(me);
	return NULL;
}

static int prepare(struct copier *me, struct pump *p, struct err *e)
{
	me->pump = p;
	me->buf = malloc(p->piece);
	if (!me->buf)
		return err_sys(e, "memory for copying");
	return page_hand_begin(&me->hand, p->all[0].what->sink, e);
}

static int run(struct pump *p, struct copier *all, unsigned int threads, struct err *e)
{
	unsigned int started = 1;

	for (unsigned int i = 0; i < threads; i++)
		if (prepare(&all[i], p, e) < 0)
			return e->code;
	for (; started < threads; started++)
		if (thread_start(&all[started].thread, copy_pieces, &all[started]) != 0)
			break; /* then those that are there do it */
	copy_pieces(&all[0]);
	for (unsigned int i = 1; i < started; i++)
		pthread_join(all[i].thread, NULL);
	if (p->failed)
		*e = p->err;
	return p->failed ? e->code : 0;
}

static uint64_t begin(struct pump *p, const struct page_transfer *all)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < p->count; i++) {
		struct page_sink *s = all[i].sink;

		p->all[i].what = &all[i];
		bytes += all[i].bytes;
		/* Without memory for them they are made later, by reading the file again. */
		if (s->remote)
			s->remote_bytes = all[i].bytes;
		else if (!s->packer && !s->stream && !s->sums && all[i].bytes)
			s->sums = malloc(manifest_chunks(all[i].bytes) * sizeof(*s->sums));
	}
	return bytes;
}

/* Frames of a stream go out in their order; what is small is shared out evenly. */
static uint64_t stretch_for(const struct pump *p, uint64_t bytes, unsigned int threads)
{
	uint64_t share = bytes / threads / STRETCHES / p->piece * p->piece;

	if (p->all[0].what->sink->stream || share < p->piece)
		return p->piece;
	return share < STRETCH ? share : STRETCH;
}

int page_pump_all(const struct page_transfer *all, size_t count, size_t *ret_failed, struct err *e)
{
	own_mem struct transfer *transfers = calloc(count, sizeof(*transfers));
	struct pump p = { .all = transfers, .count = count, .lock = PTHREAD_MUTEX_INITIALIZER };
	own_mem struct copier *copiers = NULL;
	unsigned int threads;
	uint64_t bytes;
	int r;

	*ret_failed = 0;
	if (!transfers)
		return err_sys(e, "memory for copying");
	bytes = begin(&p, all);
	if (bytes == 0)
		return 0;
	threads = page_sink_threads(all[0].sink, bytes, count);
	copiers = calloc(threads, sizeof(*copiers));
	if (!copiers)
		return err_sys(e, "memory for copying");
	p.piece = page_sink_piece(all[0].sink);
	p.stretch = stretch_for(&p, bytes, threads);
	r = run(&p, copiers, threads, e);
	for (unsigned int i = 0; i < threads; i++) {
		free(copiers[i].buf);
		page_hand_end(&copiers[i].hand, all[0].sink);
	}
	*ret_failed = p.failed_at;
	return r;
}

int page_pump(const struct page_source *s, uint64_t bytes, struct page_sink *sink, struct err *e)
{
	const struct page_transfer one = { s, bytes, sink };
	size_t failed;

	return page_pump_all(&one, 1, &failed, e);
}
