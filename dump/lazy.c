/* Pages that stay with the tree; see lazy.h. */
#include "dump/lazy.h"

#include <errno.h>

#include "dump/give.h"
#include "dump/guard.h"
#include "dump/memory.h"
#include "images/vma.h"
#include "lazy/give.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/scripts.h"
#include "lib/stats.h"
#include "lib/status.h"
#include "pages/tls.h"

/* Of one task, by address. */
struct staying {
	const struct task *t;
	struct page_run *runs;
	size_t count;
};

struct dump_lazy {
	struct lazy_source source; /* first */
	struct dump *d;
	int listener;
	struct staying *all;
	size_t count;
};

int dlazy_check_options(const struct options *opt, struct err *e)
{
	const char *with = NULL;

	if (!opt->pages.lazy)
		return 0;
	if (opt->leave_running)
		with = "--leave-running";
	else if (opt->leave_stopped)
		with = "--leave-stopped";
	else if (opt->stream)
		with = "--stream";
	else if (opt->freeze == FREEZE_COW || opt->freeze == FREEZE_PRECOPY)
		with = opt->freeze == FREEZE_COW ? "--freeze=cow" : "--freeze=precopy";
	if (with)
		return err_say(e,
			       "options '--lazy-pages' and '%s' exclude each other: the tree "
			       "stands still until its pages were taken, and is gone then",
			       with);
	return tls_check(opt, e);
}

static const struct page_run *find(const struct staying *s, uint64_t at)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->runs[middle].vaddr + s->runs[middle].bytes > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low < s->count && s->runs[low].vaddr <= at ? &s->runs[low] : NULL;
}

static int read_pages(struct lazy_source *source, const struct page_want *w, void *to,
		      uint64_t *ret_pages, struct err *e)
{
	struct dump_lazy *l = (struct dump_lazy *)source;

	for (size_t i = 0; i < l->count; i++) {
		const struct staying *s = &l->all[i];
		const struct page_run *run = s->t->inner == w->pid ? find(s, w->vaddr) : NULL;
		struct page_run some = { .vaddr = w->vaddr, .bytes = w->pages * PAGE_SIZE };

		if (!run)
			continue;
		if (some.vaddr + some.bytes > run->vaddr + run->bytes)
			some.bytes = run->vaddr + run->bytes - some.vaddr;
		some.forced = run->forced;
		*ret_pages = some.bytes / PAGE_SIZE;
		return memory_read_run(s->t->pid, &some, to, e);
	}
	return -ENODATA;
}

int dlazy_begin(struct dump *d, struct err *e)
{
	struct dump_lazy *l;
	int port;

	if (!d->opt->pages.lazy)
		return 0;
	l = pool_new(&d->pool, struct dump_lazy);
	l->source.read = read_pages;
	l->d = d;
	d->lazy = l;
	return link_listen(d->opt, &l->listener, &port, e) < 0 ? err_on(e, "--lazy-pages") : 0;
}

void dlazy_close(struct dump *d)
{
	if (!d->lazy)
		return;
	own_close(&d->lazy->listener);
	for (size_t i = 0; i < d->lazy->count; i++)
		free(d->lazy->all[i].runs);
	free(d->lazy->all);
	d->lazy = NULL;
}

bool dlazy_keeps(const struct dump *d, const struct vma *v)
{
	/* A child is to find zeros there, which nobody could tell from pages that are missing. */
	return d->lazy && !(v->flags & VMA_WF) && !(v->status & VMA_AREA_SHSTK);
}

int dlazy_add(const struct task *t, const struct page_run *run, struct err *e)
{
	struct dump_lazy *l = t->dump->lazy;
	struct staying *s = l->count ? &l->all[l->count - 1] : NULL;
	struct page_run *last;

	t->dump->opt->dump_stats->pages_lazy += run->bytes / PAGE_SIZE;
	if (!s || s->t != t) {
		if (io_grow(&l->all, l->count, sizeof(*s), e) < 0)
			return e->code;
		s = &l->all[l->count++];
		*s = (struct staying){ .t = t };
	}
	last = s->count ? &s->runs[s->count - 1] : NULL;
	if (last && last->vaddr + last->bytes == run->vaddr && last->forced == run->forced) {
		last->bytes += run->bytes;
		return 0;
	}
	if (io_grow(&s->runs, s->count, sizeof(*run), e) < 0)
		return e->code;
	s->runs[s->count++] = *run;
	return 0;
}

static int go_on(void *arg, struct err *e)
{
	struct dump *d = arg;

	return guard_check(d->guard, e);
}

static int hold(void *arg, struct err *e)
{
	(void)e;
	give_hold(arg);
	return 0;
}

/* One connection. 1: all was taken. */
static int give_once(struct dump *d, struct giving *g, struct err *e)
{
	struct page_link l = { .fd = -1, .patience = d->opt->timeout, .go_on = go_on, .arg = d };
	int r = link_accept(&l, d->lazy->listener, d->opt, e);

	if (r == 0)
		r = give_pages(g, &l, e);
	if (r > 0)
		link_close(&l);
	else
		link_drop(&l);
	return r;
}

/* Whoever takes pages may lose the connection and come again, but for a socket that was passed to us. */
static int give_all(struct dump *d, struct giving *g, struct err *e)
{
	for (;;) {
		int r = give_once(d, g, e);

		if (r > 0 || e->code == -EINTR || guard_check(d->guard, e) < 0)
			return r > 0 ? 0 : e->code;
		if (r == 0)
			err_code(e, EPIPE, "who takes pages has left before it had all");
		if (d->lazy->listener < 0)
			return e->code;
		log_warn("%s; the tree stands, and another connection is waited for", e->text);
		*e = (struct err){ 0 };
	}
}

int dlazy_give(struct dump *d, struct err *e)
{
	struct giving g = { .first = hold, .arg = d };

	if (!d->lazy)
		return 0;
	g.source = &d->lazy->source;
	if (status_ready(d->opt, e) < 0)
		return e->code;
	if (give_all(d, &g, e) < 0) {
		if (!g.given)
			return e->code;
		log_error("%s", e->text);
		*e = (struct err){ 0 };
		d->in_doubt = true;
	}
	log_info("%lu pages were given", g.given);
	return 0;
}

int dlazy_doubt(const struct dump *d, struct err *e)
{
	return err_hint(
		e,
		"its pages were being taken: 'kill -CONT %d' lets it go on here, if it runs "
		"nowhere else, and 'kill -KILL' ends it",
		d->opt->tree);
}
