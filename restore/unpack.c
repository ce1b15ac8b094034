/* Expanding compressed pages into their places; see unpack.h. */
#include "restore/unpack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/thread.h"

enum {
	THREADS = 64,
	WORTH_THREADS = 512 << 10, /* bytes */
	AT_THE_DISK = 8,	   /* that wait for it at the same time */
	VECTORS = 64,
	PIECES_AT_ONCE = 1024,	/* far more than a chunk has pages */
	SAME_AT_ONCE = 4 << 20, /* bytes */
};

struct unpacking {
	const struct unpack *all;
	pthread_mutex_t lock;
	size_t next; /* piece; those of one chunk are taken together */
	bool failed;
};

struct worker {
	struct unpacking *job;
	struct unpacker unpacker;
	/* A call being gathered. */
	pid_t pid;
	struct iovec from[VECTORS], to[VECTORS];
	size_t count;
	struct err err;
	pthread_t thread;
};

/* A piece that is where it says. */
static int add_stored(struct unpack *u, struct unpack_piece p, struct err *e)
{
	uint64_t left = p.bytes;

	while (left) {
		uint64_t room = p.file->chunk_size - p.offset % p.file->chunk_size;

		room = p.is_same ? SAME_AT_ONCE : room;
		p.bytes = left < room ? left : room;
		if (io_grow(&u->pieces, u->count, sizeof(p), e) < 0)
			return e->code;
		u->pieces[u->count++] = p;
		p.offset += p.is_same ? 0 : p.bytes;
		p.to += p.bytes;
		left -= p.bytes;
	}
	return 0;
}

/* References are followed here, so that a chunk that many lead to is expanded once for all of them. */
int unpack_add(struct unpack *u, const struct unpack_piece *piece, struct err *e)
{
	struct unpack_piece p = *piece;
	uint64_t at = p.offset, end = p.offset + p.bytes;

	u->bytes += p.bytes;
	u->at_the_disk |= p.file->passes_cache;
	while (at < end) {
		struct packed_where w = packed_where(piece->file, at / PAGE_SIZE,
						     (end - at + PAGE_SIZE - 1) / PAGE_SIZE);
		uint64_t bytes = w.count * PAGE_SIZE;

		p.file = w.file;
		p.is_same = w.is_same;
		p.offset = w.page * PAGE_SIZE;
		p.bytes = bytes < end - at ? bytes : end - at;
		if (add_stored(u, p, e) < 0)
			return e->code;
		at += p.bytes;
		p.to += p.bytes;
	}
	return 0;
}

void unpack_drop(struct unpack *u)
{
	free(u->pieces);
	*u = (struct unpack){};
}

static uint64_t chunk_of(const struct unpack_piece *p)
{
	return p->offset / p->file->chunk_size;
}

static int by_chunk(const void *a, const void *b)
{
	const struct unpack_piece *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->pid - y->pid;
}

static int flush(struct worker *w, struct err *e)
{
	size_t size = 0;
	ssize_t n;

	if (w->count == 0)
		return 0;
	for (size_t i = 0; i < w->count; i++)
		size += w->from[i].iov_len;
	n = process_vm_writev(w->pid, w->from, w->count, w->to, w->count, 0);
	if (n < 0)
		return err_sys(e, "write %zu bytes at %p of pid %d", size, w->to[0].iov_base,
			       w->pid);
	if ((size_t)n != size)
		return err_code(e, EFAULT, "only %zd of %zu bytes could be written at %p of pid %d",
				n, size, w->to[0].iov_base, w->pid);
	w->count = 0;
	return 0;
}

/* A part of the piece. */
static int put(struct worker *w, const struct unpack_piece *p, uint64_t at, size_t size,
	       struct err *e)
{
	char *data = w->unpacker.data + p->offset % p->file->chunk_size + (p->is_same ? 0 : at);
	uint64_t to = p->to + at;

	if (p->pid == 0 && p->fd < 0) {
		memcpy((void *)to, data, size);
		return 0;
	}
	if (p->pid == 0)
		return io_pwrite(p->fd, data, size, to, e) < 0 ? err_on(e, "shared memory") : 0;
	if ((w->count == VECTORS || (w->count && w->pid != p->pid)) && flush(w, e) < 0)
		return e->code;
	w->pid = p->pid;
	w->from[w->count] = (struct iovec){ data, size };
	w->to[w->count++] = (struct iovec){ (void *)to, size };
	return 0;
}

/* One page, again and again. */
static int put_same(struct worker *w, const struct unpack_piece *p, struct err *e)
{
	for (uint64_t done = 0; done < p->bytes; done += PAGE_SIZE) {
		uint64_t left = p->bytes - done;

		if (put(w, p, done, left < PAGE_SIZE ? left : PAGE_SIZE, e) < 0)
			return e->code;
	}
	return 0;
}

/* Pages that are to be written, in a row. */
static int put_piece(struct worker *w, const struct unpack_piece *p, struct err *e)
{
	uint64_t skip = p->offset % p->file->chunk_size / PAGE_SIZE, done = 0;
	uint64_t present = p->file->index[chunk_of(p)].present >> skip;

	if (p->is_same)
		return put_same(w, p, e);
	if (!p->fresh)
		present = UINT64_MAX;
	while (done < p->bytes) {
		uint64_t from = done;

		for (; done < p->bytes && present >> done / PAGE_SIZE & 1;)
			done += PAGE_SIZE;
		/* The last page of shared memory may be a part of one. */
		done = done < p->bytes ? done : p->bytes;
		if (done > from && put(w, p, from, done - from, e) < 0)
			return e->code;
		for (; done < p->bytes && !(present >> done / PAGE_SIZE & 1);)
			done += PAGE_SIZE;
	}
	return 0;
}

static int do_chunk(struct worker *w, const struct unpack_piece *first, size_t count, struct err *e)
{
	if (unpacker_take(&w->unpacker, first->file, chunk_of(first), e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (put_piece(w, &first[i], e) < 0)
			return e->code;
	return flush(w, e);
}

/* All pieces of the next chunk, or of one that many pages lead to as many as one thread takes; 0: there is none. */
static size_t take(struct unpacking *job, const struct unpack_piece **ret)
{
	const struct unpack *u = job->all;
	size_t first, next;

	pthread_mutex_lock(&job->lock);
	first = next = job->next;
	while (!job->failed && next < u->count && next - first < PIECES_AT_ONCE &&
	       u->pieces[next].file == u->pieces[first].file &&
	       chunk_of(&u->pieces[next]) == chunk_of(&u->pieces[first]))
		next++;
	job->next = next;
	pthread_mutex_unlock(&job->lock);
	*ret = u->pieces + first;
	return next - first;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const struct unpack_piece *first;
	size_t count;

	while ((count = take(w->job, &first))) {
		if (do_chunk(w, first, count, &w->err) == 0)
			continue;
		pthread_mutex_lock(&w->job->lock);
		w->job->failed = true;
		pthread_mutex_unlock(&w->job->lock);
	}
	return NULL;
}

static unsigned int threads_for(const struct unpack *u)
{
	uint64_t worth = u->bytes / WORTH_THREADS, most = thread_processors();

	if (most > THREADS)
		most = THREADS;
	if (u->at_the_disk && most < AT_THE_DISK)
		most = AT_THE_DISK;
	return worth < 1 ? 1 : worth < most ? worth : most;
}

int unpack_run(struct unpack *u, struct err *e)
{
	struct unpacking job = { .all = u, .lock = PTHREAD_MUTEX_INITIALIZER };
	unsigned int threads = threads_for(u), started = 1;
	own_mem struct worker *all = calloc(threads, sizeof(*all));
	int r = 0;

	if (u->count == 0)
		return 0;
	if (!all)
		return err_sys(e, "memory for compressed pages");
	qsort(u->pieces, u->count, sizeof(*u->pieces), by_chunk);
	for (unsigned int i = 0; i < threads && r == 0; i++) {
		all[i].job = &job;
		r = unpacker_begin(&all[i].unpacker, e);
	}
	for (; started < threads && r == 0; started++)
		if (thread_start(&all[started].thread, work, &all[started]) != 0)
			break; /* then those that are there do it */
	if (r == 0)
		work(&all[0]);
	for (unsigned int i = 1; i < started; i++)
		pthread_join(all[i].thread, NULL);
	for (unsigned int i = 0; i < threads; i++) {
		if (r == 0 && all[i].err.code) {
			*e = all[i].err;
			r = e->code;
		}
		unpacker_end(&all[i].unpacker);
	}
	return r;
}
