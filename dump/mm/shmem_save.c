/*
 * Contents of shared memory, read through a descriptor of the object, so that nobody has to have all of it
 * mapped. Holes are found by SEEK_HOLE; hugetlbfs does not have that, so there pages of zeros count as holes.
 */
#include "dump/mm/shmem.h"

#include <errno.h>
#include <string.h>

#include "dump/memory.h"
#include "dump/stream.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/stats.h"

/* An object on its way into a pages file. */
struct saving {
	struct page_source source; /* this */
	const struct shmem_contents *c;
	struct page_run *runs; /* vaddr: the offset in the object */
	size_t count;
	struct pagemap_writer w;
};

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

static int add_run(struct saving *s, uint64_t at, uint64_t bytes, struct err *e)
{
	if (io_grow(&s->runs, s->count, sizeof(*s->runs), e) < 0)
		return e->code;
	s->runs[s->count++] = (struct page_run){ .vaddr = at, .bytes = bytes, .offset = s->w.size };
	return pagemap_writer_add(&s->w, at, bytes / PAGE_SIZE, PE_PRESENT, e);
}

static int find_normal(struct saving *s, struct err *e)
{
	uint64_t at = 0, end = 0;
	int got;

	while (at < s->c->size && (got = next_data(s->c, &at, &end, e)) != 0) {
		if (got < 0 || add_run(s, at, page_up(end - at), e) < 0)
			return e->code;
		at = end;
	}
	return 0;
}

static bool is_zero(const char *p, size_t size)
{
	return *p == 0 && memcmp(p, p + 1, size - 1) == 0;
}

static int find_huge(struct saving *s, struct err *e)
{
	const struct shmem_contents *c = s->c;
	own_mem char *page = malloc(c->huge_page);

	if (!page)
		return err_sys(e, "memory for a huge page");
	for (uint64_t at = 0; at < c->size; at += c->huge_page) {
		if (io_pread(c->fd, page, c->huge_page, at, e) < 0)
			return err_on(e, "huge page");
		if (!is_zero(page, c->huge_page) && add_run(s, at, c->huge_page, e) < 0)
			return e->code;
	}
	return 0;
}

/* The last page may end behind the object: the rest of it is zeros. */
static int read_part(const struct shmem_contents *c, char *buf, uint64_t at, size_t size,
		     struct err *e)
{
	size_t there = c->size - at < size ? c->size - at : size;

	memset(buf + there, 0, size - there);
	if (io_pread(c->fd, buf, there, at, e) < 0)
		return e->code == -ENODATA ? err_code(e, ENODATA, "it shrinks while it is saved") :
					     err_on(e, "shared memory");
	return 0;
}

static int read_piece(const struct page_source *source, struct page_piece *p, char *buf,
		      struct err *e)
{
	const struct saving *s = (const struct saving *)source;
	size_t done = 0;

	while (s->runs[p->place].offset + s->runs[p->place].bytes <= p->at)
		p->place++;
	for (size_t n = p->place; done < p->size; n++) {
		uint64_t skip = p->at + done - s->runs[n].offset;
		size_t part = s->runs[n].bytes - skip;

		part = part < p->size - done ? part : p->size - done;
		if (read_part(s->c, buf + done, s->runs[n].vaddr + skip, part, e) < 0)
			return e->code;
		done += part;
	}
	return 0;
}

static int save(struct dump *d, struct saving *s, struct err *e)
{
	if (pagemap_writer_begin(&s->w, e) < 0 ||
	    (s->c->huge_page ? find_huge(s, e) : find_normal(s, e)) < 0)
		return e->code;
	if (d->stream)
		return dstream_object(d, s->c, &(struct page_list){ &s->runs, s->count, &s->w }, e);
	if (page_pump(&s->source, s->w.size, &s->w.sink, e) < 0)
		return e->code;
	return pagemap_writer_finish(&s->w, e);
}

int shmem_save(struct dump *d, const struct shmem_contents *c, struct err *e)
{
	struct dump_stats *stats = d->opt->dump_stats;
	struct saving s = { .source = { read_piece },
			    .c = c,
			    .w = { .dir_fd = d->images,
				   .kind = IMG_PAGEMAP_SHMEM,
				   .id = c->shmid,
				   .pages_id = memory_pages_id(d),
				   .how = memory_how(d),
				   .manifest = &d->manifest } };
	int r = save(d, &s, e);

	stats->shpages_scanned += page_up(c->size) / PAGE_SIZE;
	stats->shpages_written +=
		d->stream ? 0 : s.w.size / PAGE_SIZE - s.w.sink.zero_pages - s.w.sink.twin_pages;
	stats->pages_zero += s.w.sink.zero_pages;
	stats->pages_equal += s.w.sink.twin_pages;
	pagemap_writer_drop(&s.w);
	free(s.runs);
	return r;
}

int shmem_send(const struct shmem_contents *c, struct page_run *runs, size_t count,
	       struct page_sink *sink, struct err *e)
{
	struct saving s = { .source = { read_piece }, .c = c, .runs = runs, .count = count };
	const struct page_run *last = count ? &runs[count - 1] : NULL;

	return page_pump(&s.source, last ? last->offset + last->bytes : 0, sink, e);
}
