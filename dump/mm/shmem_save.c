/*
 * Contents of shared memory, read through a descriptor of the object, so that nobody has to have all of it
 * mapped. Holes are found by SEEK_HOLE; hugetlbfs has neither that nor splicing, so there pages of
 * zeros count as holes.
 */
#include "dump/mm/shmem.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>

#include "dump/memory.h"
#include "images/pages.h"
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

/* sendfile moves whole pages from one page cache to the other: one copy. */
static int copy_data(const struct shmem_contents *c, uint64_t at, uint64_t end, int pages_fd,
		     struct err *e)
{
	off_t from = at;

	while ((uint64_t)from < end) {
		ssize_t n = sendfile(pages_fd, c->fd, &from, end - from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "copy %lu bytes of shared memory", end - from);
		if (n == 0)
			return err_code(e, ENODATA, "it shrinks while it is saved");
	}
	return 0;
}

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

static int save_normal(const struct shmem_contents *c, struct pagemap_writer *w, struct err *e)
{
	uint64_t at = 0, end = 0;
	int got;

	while (at < c->size && (got = next_data(c, &at, &end, e)) != 0) {
		if (got < 0 || copy_data(c, at, end, w->pages_fd, e) < 0 ||
		    pagemap_writer_add(w, at, page_up(end - at) / PAGE_SIZE, PE_PRESENT, e) < 0)
			return e->code;
		at = end;
	}
	/* The last page may end behind the object: the rest of it is zeros. */
	if (ftruncate(w->pages_fd, w->size) < 0)
		return err_sys(e, "pages file");
	return 0;
}

static bool is_zero(const char *p, size_t size)
{
	return *p == 0 && memcmp(p, p + 1, size - 1) == 0;
}

static int save_huge(const struct shmem_contents *c, struct pagemap_writer *w, struct err *e)
{
	own_mem char *page = malloc(c->huge_page);

	if (!page)
		return err_sys(e, "memory for a huge page");
	for (uint64_t at = 0; at < c->size; at += c->huge_page) {
		if (io_pread(c->fd, page, c->huge_page, at, e) < 0)
			return err_on(e, "huge page");
		if (is_zero(page, c->huge_page))
			continue;
		if (io_write(w->pages_fd, page, c->huge_page, "pages", e) < 0 ||
		    pagemap_writer_add(w, at, c->huge_page / PAGE_SIZE, PE_PRESENT, e) < 0)
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

	if (pagemap_writer_begin(&w, e) < 0)
		return e->code;
	if ((c->huge_page ? save_huge(c, &w, e) : save_normal(c, &w, e)) < 0)
		return e->code;
	stats->shpages_scanned += page_up(c->size) / PAGE_SIZE;
	stats->shpages_written += w.size / PAGE_SIZE;
	return pagemap_writer_finish(&w, e);
}
