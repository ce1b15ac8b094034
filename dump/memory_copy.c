/*
 * Copying pages out of a stopped task: process_vm_readv into a buffer that stays in the cache, write from
 * there. Two threads share the work when there is enough of it, since neither call alone keeps a processor
 * from waiting for memory.
 */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "images/manifest.h"
#include "lib/checksum.h"
#include "lib/io.h"

enum {
	/* Bytes copied at once; larger ones do not stay in the cache of every processor. */
	PIECE = MANIFEST_CHUNK,
	THREADS = 2,
	WORTH_THREADS = 8 << 20, /* below, starting a thread costs more than it gains */
	VECTORS = 64,
};

struct copying {
	const struct page_copy *what;
	const struct page_run *runs;
	size_t count;
	uint64_t *sums; /* of each piece, while it is in the cache */
	int mem_fd;	/* /proc/PID/mem, -1: not needed */
	uint64_t total, next; /* bytes of all runs in the order of the file; next: not taken yet */
	pthread_mutex_t lock;
};

struct copier {
	struct copying *c;
	size_t run; /* the run that holds the piece taken last */
	char *buf;
	struct ranges lost;
	struct err err;
	pthread_t thread;
};

/* Offsets in the pages file grow with the runs: the first run that ends behind this offset. */
static size_t seek_run(const struct copying *c, size_t run, uint64_t at)
{
	while (run < c->count && c->runs[run].offset + c->runs[run].bytes <= at)
		run++;
	return run;
}

static int read_forced(struct copying *c, char *buf, uint64_t from, size_t size, struct err *e)
{
	return io_pread(c->mem_fd, buf, size, from, e) < 0 ? err_on(e, "memory of the task") : 0;
}

static int read_remote(struct copying *c, char *buf, const struct iovec *from, size_t count,
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

/* Gathers up to PIECE bytes of the file from offset at: one call for all runs of one sort in a row. */
static int gather(struct copier *p, uint64_t at, size_t size, struct err *e)
{
	struct copying *c = p->c;
	struct iovec from[VECTORS];
	size_t n = 0, done = 0, pending = 0;

	p->run = seek_run(c, p->run, at);
	for (size_t run = p->run; done + pending < size; run++) {
		const struct page_run *r = &c->runs[run];
		uint64_t skip = at + done + pending - r->offset;
		size_t part = r->bytes - skip;

		if (part > size - done - pending)
			part = size - done - pending;
		if (n == VECTORS || (r->forced && n)) {
			if (read_remote(c, p->buf + done, from, n, e) < 0)
				return e->code;
			done += pending;
			n = pending = 0;
		}
		if (r->forced) {
			if (read_forced(c, p->buf + done, r->vaddr + skip, part, e) < 0)
				return e->code;
			done += part;
		} else {
			from[n++] = (struct iovec){ (void *)(r->vaddr + skip), part };
			pending += part;
		}
	}
	return n ? read_remote(c, p->buf + done, from, n, e) : 0;
}

/*
 * The same page by page, of a task that runs: memory that it has just made unreadable is read all the same, and a page
 * that is not there any more is left out.
 */
static int gather_gently(struct copier *p, uint64_t at, size_t size, struct err *e)
{
	struct copying *c = p->c;

	for (size_t done = 0; done < size; done += PAGE_SIZE) {
		const struct page_run *r;
		uint64_t vaddr;

		p->run = seek_run(c, p->run, at + done);
		r = &c->runs[p->run];
		vaddr = r->vaddr + (at + done - r->offset);
		if (pread(c->mem_fd, p->buf + done, PAGE_SIZE, vaddr) == (ssize_t)PAGE_SIZE)
			continue;
		memset(p->buf + done, 0, PAGE_SIZE);
		if (ranges_append(&p->lost, vaddr, vaddr + PAGE_SIZE, e) < 0)
			return e->code;
	}
	return 0;
}

static int take_piece(struct copier *p, uint64_t at, size_t size, struct err *e)
{
	struct err why = { 0 };

	if (!p->c->what->runs_on)
		return gather(p, at, size, e);
	return gather(p, at, size, &why) < 0 ? gather_gently(p, at, size, e) : 0;
}

static void *copy_pieces(void *arg)
{
	struct copier *p = arg;
	struct copying *c = p->c;

	for (;;) {
		uint64_t at;
		size_t size;

		pthread_mutex_lock(&c->lock);
		at = c->next;
		size = c->total - at < PIECE ? c->total - at : PIECE;
		c->next += size;
		pthread_mutex_unlock(&c->lock);
		if (size == 0 || take_piece(p, at, size, &p->err) < 0)
			return NULL;
		c->sums[at / PIECE] = checksum(p->buf, size);
		if (io_pwrite(c->what->w->pages_fd, p->buf, size, at, &p->err) < 0)
			return NULL;
	}
}

/* Each has a list of its own, ascending. */
static int collect_lost(struct copier *p, struct ranges *lost, struct err *e)
{
	int r = lost ? ranges_unite(lost, &p->lost, e) : 0;

	ranges_free(&p->lost);
	return r;
}

static int run_copiers(struct copying *c, struct ranges *lost, struct err *e)
{
	struct copier p[THREADS] = { 0 };
	int threads = c->total >= WORTH_THREADS ? THREADS : 1, started = 1, r = 0;

	for (int i = 0; i < threads; i++) {
		p[i].c = c;
		p[i].buf = malloc(PIECE);
		if (!p[i].buf)
			r = err_sys(e, "memory for copying");
	}
	for (; started < threads && r == 0; started++)
		if (pthread_create(&p[started].thread, NULL, copy_pieces, &p[started]) != 0)
			break; /* then the first one does it alone */
	if (r == 0)
		copy_pieces(&p[0]);
	for (int i = 1; i < started; i++)
		pthread_join(p[i].thread, NULL);
	for (int i = 0; i < threads; i++) {
		free(p[i].buf);
		if (r == 0 && p[i].err.code) {
			*e = p[i].err;
			r = e->code;
		}
		if (r == 0)
			r = collect_lost(&p[i], lost, e);
		else
			ranges_free(&p[i].lost);
	}
	return r;
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
	struct copying c = { .what = what,
			     .mem_fd = -1,
			     .runs = what->runs,
			     .count = what->count,
			     .lock = PTHREAD_MUTEX_INITIALIZER };
	own_fd mem = -1;

	for (size_t i = 0; i < c.count; i++) {
		c.total = c.runs[i].offset + c.runs[i].bytes;
		if ((c.runs[i].forced || what->runs_on) && mem < 0 &&
		    open_mem(what->pid, &mem, e) < 0)
			return e->code;
	}
	c.mem_fd = mem;
	c.sums = what->w->sums = malloc(manifest_chunks(c.total) * sizeof(*c.sums) + 1);
	if (!c.sums)
		return err_sys(e, "memory for checksums");
	return c.total ? run_copiers(&c, lost, e) : 0;
}
