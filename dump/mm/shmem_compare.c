/*
 * Which pages of a shared object are not what the folder before holds; see shmem_held.h. Several threads, each with the
 * next stretch: there is nothing to be done but to read, in a stop that is short otherwise.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dump/mm/shmem_held.h"
#include "lib/io.h"
#include "lib/thread.h"

enum {
	STRETCH_PAGES = 512,
	PIECE_PAGES = 16, /* read at once: stays in the cache */
	MOST_THREADS = 16,
	WORTH_THREAD = 4, /* stretches */
};

struct stretch {
	uint64_t start, pages;
	uint64_t changed[STRETCH_PAGES / 64]; /* bits */
};

struct comparing {
	const struct shmem_contents *c;
	const struct shmem_held *h;
	struct stretch *all;
	size_t count, next;
	bool mapped;
	pthread_mutex_t lock;
	struct err err;
};

static bool is_held(const struct shmem_held *h, uint64_t page)
{
	return page < h->pages && (h->hashes[page].low | h->hashes[page].high);
}

static bool is_any_held(const struct shmem_held *h, uint64_t first, uint64_t count)
{
	for (uint64_t n = first; n < first + count; n++)
		if (is_held(h, n))
			return true;
	return false;
}

int shmem_read(const struct shmem_contents *c, char *buf, uint64_t at, size_t size, struct err *e)
{
	size_t done = 0, there = at >= c->size ? 0 : c->size - at < size ? c->size - at : size;

	while (done < there) {
		ssize_t n = pread(c->fd, buf + done, there - done, at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read shared memory at %lu", at + done);
		if (n == 0)
			break;
		done += n;
	}
	memset(buf + done, 0, size - done);
	return 0;
}

static bool is_same(const struct comparing *k, uint64_t page, const char *at)
{
	struct page_hash is, was;

	if (!is_held(k->h, page))
		return false;
	is = hash_page(k->h->secret, at);
	was = k->h->hashes[page];
	return is.low == was.low && is.high == was.high;
}

/* Where these pages can be looked at; NULL: they cannot be read. */
static const char *look_at(const struct comparing *k, uint64_t at, size_t size, char *buf,
			   struct err *e)
{
	if (k->mapped && at + size <= k->h->map_size)
		return k->h->map + at;
	return shmem_read(k->c, buf, at, size, e) < 0 ? NULL : buf;
}

static int compare(const struct comparing *k, struct stretch *s, char *buf, struct err *e)
{
	uint64_t first = s->start / PAGE_SIZE, count;

	for (uint64_t n = 0; n < s->pages; n += count) {
		const char *at = buf;

		count = s->pages - n < PIECE_PAGES ? s->pages - n : PIECE_PAGES;
		if (is_any_held(k->h, first + n, count))
			at = look_at(k, s->start + n * PAGE_SIZE, count * PAGE_SIZE, buf, e);
		if (!at)
			return e->code;
		for (uint64_t i = n; i < n + count; i++)
			if (!is_same(k, first + i, at + (i - n) * PAGE_SIZE))
				s->changed[i / 64] |= 1UL << i % 64;
	}
	return 0;
}

static struct stretch *take(struct comparing *k, struct err *failed)
{
	struct stretch *s = NULL;

	pthread_mutex_lock(&k->lock);
	if (failed->code && !k->err.code)
		k->err = *failed;
	if (!k->err.code && k->next < k->count)
		s = &k->all[k->next++];
	pthread_mutex_unlock(&k->lock);
	return s;
}

static void *work(void *arg)
{
	struct comparing *k = arg;
	own_mem char *buf = malloc(PIECE_PAGES * PAGE_SIZE);
	struct err e = { 0 };
	struct stretch *s;

	if (!buf)
		err_sys(&e, "memory for comparing");
	while ((s = take(k, &e)))
		(void)!compare(k, s, buf, &e);
	return NULL;
}

static void run(struct comparing *k)
{
	unsigned int threads = thread_processors(), started = 1;
	pthread_t all[MOST_THREADS];

	if (threads > k->count / WORTH_THREAD)
		threads = k->count / WORTH_THREAD;
	for (; started < threads && started < MOST_THREADS; started++)
		if (thread_start(&all[started], work, k) != 0)
			break; /* then those that are there do it */
	work(k);
	for (unsigned int i = 1; i < started; i++)
		pthread_join(all[i], NULL);
}

static int cut(struct comparing *k, const struct ranges *data, struct err *e)
{
	const uint64_t most = STRETCH_PAGES * PAGE_SIZE;

	for (size_t i = 0; i < data->count; i++) {
		uint64_t end = data->all[i].end;

		for (uint64_t at = data->all[i].start; at < end; at += most) {
			uint64_t bytes = end - at < most ? end - at : most;

			if (io_grow(&k->all, k->count, sizeof(*k->all), e) < 0)
				return e->code;
			k->all[k->count++] =
				(struct stretch){ .start = at, .pages = bytes / PAGE_SIZE };
		}
	}
	return 0;
}

static int add_changed(const struct stretch *s, struct ranges *ret, struct err *e)
{
	for (uint64_t i = 0; i < s->pages; i++) {
		uint64_t at = s->start + i * PAGE_SIZE;

		if (s->changed[i / 64] >> i % 64 & 1 &&
		    ranges_append(ret, at, at + PAGE_SIZE, e) < 0)
			return e->code;
	}
	return 0;
}

int shmem_compare(const struct shmem_contents *c, const struct shmem_held *h,
		  const struct ranges *data, struct ranges *ret, struct err *e)
{
	struct comparing k = { .c = c, .h = h, .lock = PTHREAD_MUTEX_INITIALIZER };
	int r = cut(&k, data, e);

	k.mapped = shmem_is_mapped(h, c);
	if (r == 0) {
		run(&k);
		if (k.err.code) {
			*e = k.err;
			r = e->code;
		}
	}
	for (size_t i = 0; i < k.count && r == 0; i++)
		r = add_changed(&k.all[i], ret, e);
	free(k.all);
	return r;
}
