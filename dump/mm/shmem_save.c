/*
 * Contents of shared memory, read through a descriptor of the object, so that nobody has to have all of it
 * mapped. Holes are found by SEEK_HOLE; hugetlbfs does not know that, so there pages of zeros count as holes.
 *
 * sendfile would spare a copy, but not one that costs: through a buffer that stays in the cache it takes as long, and
 * five percent more with the checksums.
 */
#include "dump/mm/shmem.h"

#include <errno.h>
#include <string.h>

#include "dump/memory.h"
#include "images/manifest.h"
#include "images/pages.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/stats.h"

/* The next run of data at or behind *at. 1 when there is one. */
static int next_data(const struct shmem_contents *c, uint64_t *at, uint64_t *ret_end, struct err *e)
{
	off_t start = lseek(c->fd, *at, SEEK_DATA), end;

	/* Somebody outside of the tree may make it longer meanwhile. */
	if ((start < 0 && errno == ENXIO) || (start >= 0 && (uint64_t)start >= c->size))
		return 0;
	if (start < 0)
		return err_sys(e, "look for data behind %lu", *at);
	end = lseek(c->fd, start, SEEK_HOLE);
	if (end < 0)
		return err_sys(e, "look for a hole behind %lu", (uint64_t)start);
	*at = start;
	*ret_end = (uint64_t)end < c->size ? (uint64_t)end : c->size;
	return 1;
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/* What goes into the pages file, chunk by chunk of the manifest, so that it is in the cache when its checksum is made. */
struct output {
	struct pagemap_writer *w;
	size_t chunks, held; /* written; in the buffer */
	char *buf;
};

static int put_chunk(struct output *o, const char *data, size_t size, struct err *e)
{
	if (io_grow(&o->w->sums, o->chunks, sizeof(*o->w->sums), e) < 0)
		return e->code;
	o->w->sums[o->chunks++] = checksum(data, size);
	return io_write(o->w->pages_fd, data, size, "pages", e);
}

static int put_rest(struct output *o, struct err *e)
{
	return o->held ? put_chunk(o, o->buf, o->held, e) : 0;
}

static int copy_data(const struct shmem_contents *c, uint64_t at, uint64_t end, struct output *o,
		     struct err *e)
{
	size_t fill = page_up(end) - end;

	while (at < end) {
		uint64_t part = MANIFEST_CHUNK - o->held;

		part = end - at < part ? end - at : part;
		if (io_pread(c->fd, o->buf + o->held, part, at, e) < 0)
			return err_on(e, "shared memory (does it shrink while it is saved?)");
		at += part;
		o->held += part;
		/* The last page may end behind the object: the rest of it is zeros. */
		if (at == end) {
			memset(o->buf + o->held, 0, fill);
			o->held += fill;
		}
		if (o->held < MANIFEST_CHUNK)
			continue;
		if (put_chunk(o, o->buf, MANIFEST_CHUNK, e) < 0)
			return e->code;
		o->held = 0;
	}
	return 0;
}

static int save_normal(const struct shmem_contents *c, struct output *o, struct err *e)
{
	uint64_t at = 0, end = 0;
	int got;

	while (at < c->size && (got = next_data(c, &at, &end, e)) != 0) {
		if (got < 0 || copy_data(c, at, end, o, e) < 0 ||
		    pagemap_writer_add(o->w, at, page_up(end - at) / PAGE_SIZE, PE_PRESENT, e) < 0)
			return e->code;
		at = end;
	}
	return put_rest(o, e);
}

static bool is_zero(const char *p, size_t size)
{
	return *p == 0 && memcmp(p, p + 1, size - 1) == 0;
}

static int save_huge(const struct shmem_contents *c, struct output *o, struct err *e)
{
	own_mem char *page = malloc(c->huge_page);

	if (!page)
		return err_sys(e, "memory for a huge page");
	for (uint64_t at = 0; at < c->size; at += c->huge_page) {
		if (io_pread(c->fd, page, c->huge_page, at, e) < 0)
			return err_on(e, "huge page");
		if (is_zero(page, c->huge_page))
			continue;
		for (size_t n = 0; n < c->huge_page; n += MANIFEST_CHUNK)
			if (put_chunk(o, page + n, MANIFEST_CHUNK, e) < 0)
				return e->code;
		if (pagemap_writer_add(o->w, at, c->huge_page / PAGE_SIZE, PE_PRESENT, e) < 0)
			return e->code;
	}
	return 0;
}

int shmem_save(struct dump *d, const struct shmem_contents *c, struct err *e)
{
	struct dump_stats *stats = d->opt->dump_stats;
	own_pagemap_writer w = { .dir_fd = d->images,
				 .kind = IMG_PAGEMAP_SHMEM,
				 .id = c->shmid,
				 .pages_id = memory_pages_id(d),
				 .manifest = &d->manifest };

	own_mem char *buf = malloc(MANIFEST_CHUNK);
	struct output o = { .w = &w, .buf = buf };

	if (!buf)
		return err_sys(e, "memory for shared memory");
	if (pagemap_writer_begin(&w, e) < 0)
		return e->code;
	if ((c->huge_page ? save_huge(c, &o, e) : save_normal(c, &o, e)) < 0)
		return e->code;
	stats->shpages_scanned += page_up(c->size) / PAGE_SIZE;
	stats->shpages_written += w.size / PAGE_SIZE;
	return pagemap_writer_finish(&w, e);
}
