/*
 * An address space of which a moment is saved: what is protected, and which units there are; see cow_space.h. Reading them
 * is in cow_copy.c.
 */
#include "dump/cow_space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/maps.h"
#include "lib/pagemap.h"
#include "lib/thread.h"
#include "lib/uffd.h"
#include "lib/written.h"

enum {
	SLICE = 16 << 20, /* protected or taken back at once: others may map and unmap in between */
	WORTH_THREADS = 64 << 20, /* below, starting a thread costs more than it gains */
	NEAR = 64 << 10,	  /* ranges this near to each other are protected by one call */
};

int cow_space_open(struct cow_space *s, int pid, int proc_fd, int uffd, struct err *e)
{
	*s = (struct cow_space){ .pid = pid,
				 .uffd = uffd,
				 .proc_fd = fcntl(proc_fd, F_DUPFD_CLOEXEC, 0),
				 .pagemap_fd = openat(proc_fd, "pagemap", O_RDONLY | O_CLOEXEC),
				 .mem_fd = openat(proc_fd, "mem", O_RDONLY | O_CLOEXEC),
				 .pages_fd = -1 };
	pthread_mutex_init(&s->gate, NULL);
	if (s->proc_fd < 0 || s->pagemap_fd < 0 || s->mem_fd < 0)
		return err_sys(e, "open the memory of pid %d", pid);
	return 0;
}

void cow_space_close(struct cow_space *s)
{
	own_close(&s->uffd);
	own_close(&s->proc_fd);
	own_close(&s->pagemap_fd);
	own_close(&s->mem_fd);
	s->uffd = s->proc_fd = s->pagemap_fd = s->mem_fd = -1;
	ranges_free(&s->areas);
	ranges_free(&s->seen);
	ranges_free(&s->fresh);
	ranges_free(&s->rest);
	free(s->runs);
	free(s->units);
	s->runs = NULL;
	s->units = NULL;
	s->run_count = s->unit_count = 0;
}

static void unregister(struct cow_space *s, uint64_t start, uint64_t end)
{
	for (uint64_t at = start, stop; at < end; at = stop) {
		stop = (at + SLICE) & ~(uint64_t)(SLICE - 1);
		struct uffdio_range r = { at, (stop < end ? stop : end) - at };

		/* What fails is left to the closing of the descriptor. */
		ioctl(s->uffd, UFFDIO_UNREGISTER, &r);
	}
}

/* What was registered may have grown since. */
void cow_space_unregister(struct cow_space *s)
{
	struct err ignored = { 0 };
	struct pool pool = { 0 };
	struct maps m = { 0 };

	if (maps_read_brief(s->proc_fd, &pool, &m, &ignored) < 0)
		log_debug("pid %d: %s", s->pid, ignored.text);
	for (size_t i = 0; i < m.count; i++)
		if (maps_is_anon(&m.vmas[i]))
			unregister(s, m.vmas[i].start, m.vmas[i].end);
	pool_free(&pool);
}

void cow_space_register(struct cow_space *s, uint64_t start, uint64_t end)
{
	(void)uffd_register(s->uffd, start, end);
}

/* Only what is registered can be released. */
static bool is_registered(const struct cow_space *s, uint64_t page)
{
	struct err ignored = { 0 };

	return uffd_protect(s->uffd, page, page + PAGE_SIZE, false, &ignored) == 0;
}

int cow_space_add_early(struct cow_space *s, uint64_t start, uint64_t end, struct err *e)
{
	return is_registered(s, start) ? ranges_append(&s->areas, start, end, e) : 0;
}

/*
 * A mapping can lose its registration and keep the marks of its pages: mremap() that joins two registered ones. It may have
 * been written since. The first page tells.
 */
int cow_space_add(struct cow_space *s, uint64_t start, uint64_t end, struct err *e)
{
	bool was = is_registered(s, start);

	if (!uffd_register(s->uffd, start, end))
		return 0;
	if (!was && ranges_append(&s->fresh, start, end, e) < 0)
		return e->code;
	return ranges_append(&s->areas, start, end, e);
}

void cow_space_forget_areas(struct cow_space *s)
{
	ranges_free(&s->areas);
	ranges_free(&s->fresh);
}

/* Some of the ranges, for one of two threads. */
struct protecting {
	struct cow_space *s;
	const struct range *all;
	size_t count;
	_Atomic uint64_t *next; /* number of the slice that nobody has taken yet */
	bool early;		/* its owner runs */
	struct err err;
	pthread_t thread;
};

/* Before 6.3 one call is for one mapping, and what lies in a row may be several. */
static int protect_parts(struct protecting *p, uint64_t start, uint64_t end)
{
	uint64_t middle = (start + (end - start) / 2) & ~(PAGE_SIZE - 1);
	struct err e = { 0 };
	int r = uffd_protect(p->s->uffd, start, end, true, &e);

	if (r == -ENOENT && middle > start)
		return protect_parts(p, start, middle) < 0 ? p->err.code :
							     protect_parts(p, middle, end);
	if (r < 0)
		p->err = e;
	return r;
}

/* While its owner runs a mapping may go away at any time, and is then found to be unprotected in the stop. */
static int protect_slice(struct protecting *p, uint64_t start, uint64_t end)
{
	struct err ignored = { 0 };

	if (!p->early)
		return protect_parts(p, start, end);
	pthread_mutex_lock(&p->s->gate);
	if (!p->s->calm && uffd_protect(p->s->uffd, start, end, true, &ignored) < 0)
		p->s->doubt = true;
	pthread_mutex_unlock(&p->s->gate);
	return 0;
}

static void *protect_slices(void *arg)
{
	struct protecting *p = arg;
	uint64_t number = 0, mine = atomic_fetch_add(p->next, 1);

	for (size_t i = 0; i < p->count; i++)
		for (uint64_t at = p->all[i].start, end; at < p->all[i].end; at = end, number++) {
			end = (at + SLICE) & ~(uint64_t)(SLICE - 1);
			end = end < p->all[i].end ? end : p->all[i].end;
			if (number != mine)
				continue;
			if (protect_slice(p, at, end) < 0)
				return NULL;
			mine = atomic_fetch_add(p->next, 1);
		}
	return NULL;
}

static int protect(struct cow_space *s, const struct ranges *what, bool early, struct err *e)
{
	_Atomic uint64_t next = 0;
	struct protecting p[2];
	bool two = ranges_size(what) >= WORTH_THREADS || what->count > 256;

	for (int i = 0; i < 2; i++)
		p[i] = (struct protecting){ s, what->all, what->count, &next, early, { 0 }, 0 };
	two = two && thread_start(&p[1].thread, protect_slices, &p[1]) == 0;
	protect_slices(&p[0]);
	if (two)
		pthread_join(p[1].thread, NULL);
	for (int i = 0; i < 2; i++)
		if (p[i].err.code) {
			*e = p[i].err;
			return e->code;
		}
	return 0;
}

static int look(struct cow_space *s, uint64_t start, uint64_t end, struct ranges *ret,
		struct err *e)
{
	own_pagemap pm = {};
	struct page_range r;
	int got = pagemap_open(s->proc_fd, &pm, e);

	if (got < 0)
		return got;
	pagemap_range(&pm, start, end, PAGEMAP_ANON);
	while ((got = pagemap_next(&pm, &r, e)) > 0)
		if (ranges_append(ret, r.start, r.end, e) < 0)
			return e->code;
	return got;
}

int cow_space_protect(struct cow_space *s, struct err *e)
{
	if (protect(s, &s->areas, true, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->areas.count; i++)
		if (look(s, s->areas.all[i].start, s->areas.all[i].end, &s->seen, e) < 0)
			return e->code;
	return 0;
}

void cow_space_calm(struct cow_space *s)
{
	pthread_mutex_lock(&s->gate);
	s->calm = s->doubt = true;
	for (size_t i = 0; i < s->areas.count; i++)
		cow_space_release(s, s->areas.all[i].start, s->areas.all[i].end);
	pthread_mutex_unlock(&s->gate);
}

/* One call for ranges that are near to each other: those between are protected already, or not there. */
static int join_near(const struct ranges *found, const struct range *area, struct ranges *ret,
		     struct err *e)
{
	for (size_t i = 0; i < found->count; i++) {
		const struct range *f = &found->all[i];
		struct range *last = ret->count ? &ret->all[ret->count - 1] : NULL;

		if (last && last->end > area->start && f->start - last->end <= NEAR)
			last->end = f->end;
		else if (ranges_append(ret, f->start, f->end, e) < 0)
			return e->code;
	}
	return 0;
}

static int find_in(const struct cow_space *s, const struct range *area, struct ranges *ret,
		   struct err *e)
{
	for (uint64_t at = area->start, stop; at < area->end; at = stop) {
		bool fresh = ranges_hold(&s->fresh, at, area->end, &stop) || s->doubt;

		if ((fresh ? ranges_append(ret, at, stop, e) :
			     written_find(s->pagemap_fd, at, stop, ret, e)) < 0)
			return e->code;
	}
	return 0;
}

static int find_rest(struct cow_space *s, struct err *e)
{
	for (size_t i = 0; i < s->areas.count; i++) {
		const struct range *a = &s->areas.all[i];
		own_ranges found = { 0 };

		if (find_in(s, a, &found, e) < 0 || join_near(&found, a, &s->rest, e) < 0)
			return e->code;
	}
	return 0;
}

/* What was seen of [start,end), in which everything has been protected since; from number *i on. */
static int add_seen(const struct cow_space *s, uint64_t start, uint64_t end, struct ranges *ret,
		    struct err *e)
{
	for (size_t i = ranges_find(&s->seen, start); i < s->seen.count; i++) {
		const struct range *r = &s->seen.all[i];
		uint64_t from = r->start > start ? r->start : start;
		uint64_t to = r->end < end ? r->end : end;

		if (from >= end)
			break;
		if (ranges_append(ret, from, to, e) < 0)
			return e->code;
	}
	return 0;
}

/* A page that is still protected is there, as it was when it was seen; the others are looked for. */
int cow_space_pages(struct cow_space *s, struct ranges *ret, struct err *e)
{
	if (find_rest(s, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->areas.count; i++) {
		const struct range *a = &s->areas.all[i];

		for (uint64_t at = a->start, stop; at < a->end; at = stop) {
			bool is_rest = ranges_hold(&s->rest, at, a->end, &stop);

			if ((is_rest ? look(s, at, stop, ret, e) : add_seen(s, at, stop, ret, e)) <
			    0)
				return e->code;
		}
	}
	return 0;
}

static int add_unit(struct cow_space *s, struct cow_unit u, struct err *e)
{
	struct cow_unit *last = s->unit_count ? &s->units[s->unit_count - 1] : NULL;

	if (last && last->vaddr / COW_BLOCK == u.vaddr / COW_BLOCK &&
	    last->offset + last->pages * PAGE_SIZE == u.offset) {
		last->pages += u.pages;
		return 0;
	}
	if (io_grow(&s->units, s->unit_count, sizeof(*s->units), e) < 0)
		return e->code;
	memcpy(&s->units[s->unit_count++], &u, sizeof(u));
	return 0;
}

/* [start,end) of a run that can be protected. */
static int add_units(struct cow_space *s, uint32_t run, uint64_t start, uint64_t end, struct err *e)
{
	const struct page_run *r = &s->runs[run];

	for (uint64_t at = start, next; at < end; at = next) {
		next = (at + COW_BLOCK) & ~(uint64_t)(COW_BLOCK - 1);
		next = next < end ? next : end;
		struct cow_unit u = { .vaddr = at,
				      .offset = r->offset + (at - r->vaddr),
				      .run = run,
				      .pages = (next - at) / PAGE_SIZE };

		if (add_unit(s, u, e) < 0)
			return e->code;
	}
	return 0;
}

/* [start,end) of a run that cannot. */
static int copy_now(struct cow_space *s, const struct page_run *r, uint64_t start, uint64_t end,
		    struct err *e)
{
	char buf[COW_BLOCK];

	for (uint64_t at = start; at < end;) {
		size_t size = end - at < sizeof(buf) ? end - at : sizeof(buf);

		if (io_pread(s->mem_fd, buf, size, at, e) < 0 ||
		    io_pwrite(s->pages_fd, buf, size, r->offset + (at - r->vaddr), e) < 0)
			return err_on(e, "memory at 0x%lx", at);
		at += size;
	}
	return 0;
}

static int divide(struct cow_space *s, struct err *e)
{
	for (size_t i = 0; i < s->run_count; i++) {
		const struct page_run *r = &s->runs[i];

		for (uint64_t at = r->vaddr, end = at + r->bytes, stop; at < end; at = stop) {
			bool in = ranges_hold(&s->areas, at, end, &stop);

			if ((in ? add_units(s, i, at, stop, e) : copy_now(s, r, at, stop, e)) < 0)
				return e->code;
		}
	}
	return 0;
}

int cow_space_take(struct cow_space *s, const struct page_run *runs, size_t count, struct err *e)
{
	int r;

	s->runs = malloc(count * sizeof(*runs) + 1);
	if (!s->runs)
		return err_sys(e, "memory for %zu runs", count);
	memcpy(s->runs, runs, count * sizeof(*runs));
	s->run_count = count;
	pthread_mutex_lock(&s->gate);
	r = protect(s, &s->rest, false, e);
	if (r == 0)
		r = divide(s, e);
	s->left = s->unit_count;
	s->saving = r == 0;
	pthread_mutex_unlock(&s->gate);
	return r;
}

struct range cow_space_window(const struct cow_space *s, uint64_t at, uint64_t size)
{
	uint64_t start = at & ~(size - 1), end = start + size;
	size_t i = ranges_find(&s->areas, at);

	/* An area that has grown since: just the page. */
	if (i == s->areas.count || s->areas.all[i].start > at)
		return (struct range){ at & ~(PAGE_SIZE - 1), (at & ~(PAGE_SIZE - 1)) + PAGE_SIZE };
	if (start < s->areas.all[i].start)
		start = s->areas.all[i].start;
	if (end > s->areas.all[i].end)
		end = s->areas.all[i].end;
	return (struct range){ start, end };
}
