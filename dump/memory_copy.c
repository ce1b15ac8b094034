/* Copying pages out of a task: process_vm_readv into the buffer of whoever stores them (images/page_pump.c). */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/io.h"

enum { VECTORS = 64 };

struct copying {
	struct page_source source; /* this */
	const struct page_copy *what;
	const struct page_run *runs;
	size_t count;
	int mem_fd;	     /* /proc/PID/mem, -1: not needed */
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

/* Gathers a piece of the file: one call for all runs of one sort in a row. */
static int gather(const struct copying *c, struct page_piece *p, char *buf, struct err *e)
{
	struct iovec from[VECTORS];
	size_t n = 0, done = 0, pending = 0;

	p->place = seek_run(c, p->place, p->at);
	for (size_t run = p->place; done + pending < p->size; run++) {
		const struct page_run *r = &c->runs[run];
		uint64_t skip = p->at + done + pending - r->offset;
		size_t part = r->bytes - skip;

		if (part > p->size - done - pending)
			part = p->size - done - pending;
		if (n == VECTORS || (r->forced && n)) {
			if (read_remote(c, buf + done, from, n, e) < 0)
				return e->code;
			done += pending;
			n = pending = 0;
		}
		if (r->forced) {
			if (read_forced(c, buf + done, r->vaddr + skip, part, e) < 0)
				return e->code;
			done += part;
		} else {
			from[n++] = (struct iovec){ (void *)(r->vaddr + skip), part };
			pending += part;
		}
	}
	return n ? read_remote(c, buf + done, from, n, e) : 0;
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

static int open_mem(int pid, int *ret, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int memory_copy(const struct page_copy *what, struct ranges *lost, struct err *e)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct copying c = { .source = { take_piece },
			     .what = what,
			     .runs = what->runs,
			     .count = what->count,
			     .mem_fd = -1,
			     .lost = lost,
			     .lock = &lock };
	uint64_t total = 0;
	own_fd mem = -1;

	for (size_t i = 0; i < c.count; i++) {
		total = c.runs[i].offset + c.runs[i].bytes;
		if ((c.runs[i].forced || what->runs_on) && mem < 0 &&
		    open_mem(what->pid, &mem, e) < 0)
			return e->code;
	}
	c.mem_fd = mem;
	return page_pump(&c.source, total, what->sink, e);
}

int memory_read_run(int pid, const struct page_run *run, char *buf, struct err *e)
{
	struct page_copy what = { .pid = pid, .runs = run, .count = 1 };
	struct copying c = { .what = &what, .runs = run, .count = 1, .mem_fd = -1 };
	struct page_piece p = { .size = run->bytes };
	own_fd mem = -1;

	if (run->forced && open_mem(pid, &mem, e) < 0)
		return e->code;
	c.mem_fd = mem;
	return gather(&c, &p, buf, e);
}
