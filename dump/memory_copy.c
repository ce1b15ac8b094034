/*
 * Copying pages out of tasks, into the buffer of whoever stores them (images/page_pump.c): with process_vm_readv, which
 * takes half the time of /proc/PID/mem. But it pins what it reads, and before that the kernel gives the task a copy of its own
 * of a page that it shares copy-on-write with others: a dump would make the tree larger. /proc/PID/mem does not pin, so
 * such pages, which /proc/PID/pagemap tells, and those that the task itself may not read go through there. So do pages that lie
 * far apart: the kernel walks to the end of a page table even for one word of pagemap, and takes longer for that than for the page.
 */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/io.h"
#include "lib/pagemap.h"

enum {
	VECTORS = 64,
	FEW = 8, /* runs in the part of memory that pagemap is asked about at once: not worth asking */
	SHORT = FEW * PAGE_SIZE, /* bytes of a run */
};

struct copying {
	struct page_source source; /* this */
	const struct page_copy *what;
	const struct page_run *runs;
	size_t count;
	int mem_fd;	     /* /proc/PID/mem, -1: not needed */
	int pagemap_fd;	     /* /proc/PID/pagemap, -1: how pages are shared does not matter */
	struct ranges *lost; /* of all threads, one at a time */
	pthread_mutex_t *lock;
};

/* Offsets in the pages file grow with the runs: the first run that ends behind this offset. */
static size_t seek_run(const struct copying *c, size_t run, uint64_t at)
{
	while (run < c->count && c->runs[run].offset + c->runs[run].bytes <= at)
		run++;
	return run;
}

/* Looks at the pages from here to where this thread goes on with something else, if there are no gaps. */
static int look(const struct copying *c, struct page_piece *p, uint64_t vaddr, struct err *e)
{
	uint64_t words[PAGE_VIEW], pages = (p->next - p->at + PAGE_SIZE - 1) / PAGE_SIZE;
	ssize_t got;

	pages = pages < PAGE_VIEW ? pages : PAGE_VIEW;
	got = pread(c->pagemap_fd, words, pages * sizeof(*words),
		    vaddr / PAGE_SIZE * sizeof(*words));
	if (got < (ssize_t)sizeof(*words))
		return err_sys(e, "read the page map of the task at %lx", (unsigned long)vaddr);
	pages = got / sizeof(*words);
	p->view = (struct page_view){ vaddr, vaddr + pages * PAGE_SIZE, {} };
	for (uint64_t i = 0; i < pages; i++)
		if (pagemap_is_common(words[i]))
			p->view.bits[i / 64] |= 1ULL << i % 64;
	return 0;
}

static bool is_shared(const struct page_view *v, uint64_t vaddr)
{
	uint64_t n = (vaddr - v->start) / PAGE_SIZE;

	return v->bits[n / 64] >> n % 64 & 1;
}

static bool is_sparse(const struct copying *c, const struct page_run *r, uint64_t vaddr)
{
	const struct page_run *later = r + FEW;

	return r->bytes < SHORT && (later >= c->runs + c->count ||
				    later->vaddr - vaddr >= (uint64_t)PAGE_VIEW * PAGE_SIZE);
}

/* Some of a run, all to be read the same way. */
struct part {
	const struct page_run *run;
	struct iovec at;
	bool forced; /* through /proc/PID/mem */
};

/* Chooses how it is read, and shortens it to what is read like that. */
static int choose_way(const struct copying *c, struct page_piece *p, struct part *part,
		      struct err *e)
{
	uint64_t vaddr = (uint64_t)part->at.iov_base, end;
	bool seen = vaddr >= p->view.start && vaddr < p->view.end;

	part->forced = part->run->forced ||
		       (!seen && c->pagemap_fd >= 0 && is_sparse(c, part->run, vaddr));
	if (part->forced || c->pagemap_fd < 0)
		return 0;
	if (!seen && look(c, p, vaddr, e) < 0)
		return e->code;
	end = vaddr + part->at.iov_len < p->view.end ? vaddr + part->at.iov_len : p->view.end;
	part->forced = is_shared(&p->view, vaddr);
	for (uint64_t at = vaddr; at < end; at += PAGE_SIZE)
		if (is_shared(&p->view, at) != part->forced)
			end = at;
	part->at.iov_len = end - vaddr;
	return 0;
}

static int read_forced(const struct copying *c, char *buf, uint64_t from, size_t size,
		       struct err *e)
{
	return io_pread(c->mem_fd, buf, size, from, e) < 0 ? err_on(e, "memory of the task") : 0;
}

static int read_remote(const struct copying *c, char *buf, const struct iovec *from, size_t count,
		       struct err *e)
{
	size_t size = 0;
	ssize_t got;

	for (size_t i = 0; i < count; i++)
		size += from[i].iov_len;
	struct iovec to = { buf, size };
	got = process_vm_readv(c->what->pid, &to, 1, from, count, 0);
	if (got < 0)
		return err_sys(e, "read %zu bytes at %p", size, from[0].iov_base);
	if ((size_t)got != size)
		return err_code(e, EFAULT, "only %zd of %zu bytes at %p can be read", got, size,
				from[0].iov_base);
	return 0;
}

/* A piece of the file on its way into buf: one call for all runs of one sort in a row. */
struct gathering {
	const struct copying *c;
	char *buf;
	size_t done, pending; /* read; in the vectors */
	struct iovec from[VECTORS];
	size_t count;
};

static int flush(struct gathering *g, struct err *e)
{
	if (g->count && read_remote(g->c, g->buf + g->done, g->from, g->count, e) < 0)
		return e->code;
	g->done += g->pending;
	g->count = g->pending = 0;
	return 0;
}

static int add_part(struct gathering *g, const struct part *part, struct err *e)
{
	const struct iovec *at = &part->at;

	if ((g->count == VECTORS || part->forced) && flush(g, e) < 0)
		return e->code;
	if (!part->forced) {
		g->from[g->count++] = *at;
		g->pending += at->iov_len;
		return 0;
	}
	if (read_forced(g->c, g->buf + g->done, (uint64_t)at->iov_base, at->iov_len, e) < 0)
		return e->code;
	g->done += at->iov_len;
	return 0;
}

static int gather(const struct copying *c, struct page_piece *p, char *buf, struct err *e)
{
	struct gathering g = { .c = c, .buf = buf };

	p->place = seek_run(c, p->place, p->at);
	for (size_t run = p->place, at = 0; at < p->size;) {
		const struct page_run *r = &c->runs[run];
		uint64_t skip = p->at + at - r->offset, size = r->bytes - skip;
		struct part part = { .run = r, .at = { (void *)(r->vaddr + skip), size } };

		if (part.at.iov_len > p->size - at)
			part.at.iov_len = p->size - at;
		if (choose_way(c, p, &part, e) < 0 || add_part(&g, &part, e) < 0)
			return e->code;
		at += part.at.iov_len;
		run += part.at.iov_len == size;
	}
	return flush(&g, e);
}

static int add_lost(const struct copying *c, const struct ranges *lost, struct err *e)
{
	int r;

	if (!c->lost || !lost->count)
		return 0;
	pthread_mutex_lock(c->lock);
	r = ranges_unite(c->lost, lost, e);
	pthread_mutex_unlock(c->lock);
	return r;
}

/*
 * The same page by page, of a task that runs: memory that it has just made unreadable is read all the same, and a page
 * that is not there any more is left out.
 */
static int gather_gently(const struct copying *c, struct page_piece *p, char *buf, struct err *e)
{
	own_ranges lost = { 0 };

	for (size_t done = 0; done < p->size; done += PAGE_SIZE) {
		const struct page_run *r;
		uint64_t vaddr;

		p->place = seek_run(c, p->place, p->at + done);
		r = &c->runs[p->place];
		vaddr = r->vaddr + (p->at + done - r->offset);
		if (pread(c->mem_fd, buf + done, PAGE_SIZE, vaddr) == (ssize_t)PAGE_SIZE)
			continue;
		memset(buf + done, 0, PAGE_SIZE);
		if (ranges_append(&lost, vaddr, vaddr + PAGE_SIZE, e) < 0)
			return e->code;
	}
	return add_lost(c, &lost, e);
}

static int take_piece(const struct page_source *source, struct page_piece *p, char *buf,
		      struct err *e)
{
	const struct copying *c = (const struct copying *)source;
	struct err why = { 0 };

	if (!c->what->runs_on)
		return gather(c, p, buf, e);
	return gather(c, p, buf, &why) < 0 ? gather_gently(c, p, buf, e) : 0;
}

static int open_of(int pid, const char *name, int *ret, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open '%s'", path) : 0;
}

/* What is copied goes into the pages file from its beginning to the end of the last run. */
static uint64_t size_of(const struct page_copy *what)
{
	const struct page_run *last = what->count ? &what->runs[what->count - 1] : NULL;

	return last ? last->offset + last->bytes : 0;
}

static int begin(struct copying *c, const struct page_copy *what, struct err *e)
{
	c->source.read = take_piece;
	c->what = what;
	c->runs = what->runs;
	c->count = what->count;
	if (what->count && open_of(what->pid, "pagemap", &c->pagemap_fd, e) < 0)
		return e->code;
	return what->count ? open_of(what->pid, "mem", &c->mem_fd, e) : 0;
}

int memory_copy_all(const struct page_copy *what, size_t count, size_t *ret_failed, struct err *e)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	own_mem struct copying *all = calloc(count, sizeof(*all));
	own_mem struct page_transfer *transfers = calloc(count, sizeof(*transfers));
	int r = 0;

	*ret_failed = 0;
	if (!all || !transfers)
		return err_sys(e, "memory for copying");
	for (size_t i = 0; i < count; i++) {
		all[i] = (struct copying){
			.mem_fd = -1, .pagemap_fd = -1, .lost = what[i].lost, .lock = &lock
		};
		transfers[i] =
			(struct page_transfer){ &all[i].source, size_of(&what[i]), what[i].sink };
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		r = begin(&all[i], &what[i], e);
		*ret_failed = i;
	}
	if (r == 0)
		r = page_pump_all(transfers, count, ret_failed, e);
	for (size_t i = 0; i < count; i++) {
		own_close(&all[i].mem_fd);
		own_close(&all[i].pagemap_fd);
	}
	return r;
}

int memory_copy(const struct page_copy *what, struct err *e)
{
	size_t failed;

	return memory_copy_all(what, 1, &failed, e);
}

int memory_read_run(int pid, const struct page_run *run, char *buf, struct err *e)
{
	struct page_copy what = { .pid = pid, .runs = run, .count = 1 };
	struct copying c = {
		.what = &what, .runs = run, .count = 1, .mem_fd = -1, .pagemap_fd = -1
	};
	struct page_piece p = { .size = run->bytes };
	own_fd mem = -1;

	if (run->forced && open_of(pid, "mem", &mem, e) < 0)
		return e->code;
	c.mem_fd = mem;
	return gather(&c, &p, buf, e);
}
