/*
 * Contents of shared memory, read through a descriptor of the object, so that nobody has to have all of it
 * mapped. Holes are found by SEEK_HOLE; hugetlbfs does not have that, so there pages of zeros count as holes. What the folder
 * before holds already (shmem_held.h) is left out.
 */
#include "dump/mm/shmem_held.h"

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
	struct dump *d;
	const struct shmem_contents *c;
	struct shmem_held *held; /* NULL: all is saved */
	bool runs_on;
	bool keeps; /* what is saved is held afterwards */
	uint64_t parent_pages;
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

int shmem_find_data(const struct shmem_contents *c, struct ranges *ret, struct err *e)
{
	uint64_t at = 0, end = 0;
	int got;

	while (at < c->size && (got = next_data(c, &at, &end, e)) != 0) {
		if (got < 0 || ranges_append(ret, at, page_up(end), e) < 0)
			return e->code;
		at = end;
	}
	return 0;
}

/* Pages of data that have changed are saved, the others are the parent's, which has to hold them. */
static int add_data(struct saving *s, uint64_t at, uint64_t end, const struct ranges *changed,
		    struct err *e)
{
	for (uint64_t stop; at < end; at = stop) {
		bool save = ranges_hold(changed, at, end, &stop);

		if (!save)
			save = !shmem_held_has(s->held, at, stop, &stop);
		if (save && add_run(s, at, stop - at, e) < 0)
			return e->code;
		if (save)
			continue;
		s->parent_pages += (stop - at) / PAGE_SIZE;
		if (pagemap_writer_add(&s->w, at, (stop - at) / PAGE_SIZE, PE_PARENT, e) < 0)
			return e->code;
	}
	return 0;
}

/* What was found by a look is due in the round, whatever has changed since. */
static int find_changed(struct saving *s, const struct ranges *data, struct ranges *ret,
			struct err *e)
{
	struct shmem_held *h = s->held;

	if (!h || !s->runs_on || !h->looked)
		return h ? shmem_compare(s->c, h, data, ret, e) : 0;
	*ret = h->due;
	h->due = (struct ranges){ 0 };
	h->looked = false;
	return 0;
}

static int find_normal(struct saving *s, struct err *e)
{
	own_ranges data = { 0 }, changed = { 0 };
	uint64_t before = 0;

	if (shmem_find_data(s->c, &data, e) < 0 || find_changed(s, &data, &changed, e) < 0)
		return e->code;
	for (size_t i = 0; i < data.count; i++) {
		uint64_t at = data.all[i].start, end = data.all[i].end;

		/* The folder says nothing of holes. */
		if (s->keeps)
			shmem_held_forget(s->held, before, at);
		if ((s->held ? add_data(s, at, end, &changed, e) : add_run(s, at, end - at, e)) < 0)
			return e->code;
		before = end;
	}
	if (s->keeps)
		shmem_held_forget(s->held, before, s->held->pages * PAGE_SIZE);
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

static int read_pages(const struct saving *s, char *buf, uint64_t at, size_t size, struct err *e)
{
	if ((s->runs_on ? shmem_read : read_part)(s->c, buf, at, size, e) < 0)
		return e->code;
	for (size_t done = 0; s->keeps && done < size; done += PAGE_SIZE)
		shmem_held_put(s->held, at + done, buf + done);
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
		uint64_t at = s->runs[n].vaddr + skip;

		part = part < p->size - done ? part : p->size - done;
		if (read_pages(s, buf + done, at, part, e) < 0)
			return e->code;
		done += part;
	}
	return 0;
}

/* Those of a round do not wait for the stop. */
static int save_streamed(struct saving *s, struct err *e)
{
	if (!s->runs_on)
		return dstream_object(s->d, s->c, &(struct page_list){ &s->runs, s->count, &s->w },
				      e);
	if (dstream_round_pump(s->d, &s->source, &s->w, e) < 0)
		return e->code;
	return pagemap_writer_finish(&s->w, e);
}

static int save(struct saving *s, struct err *e)
{
	if (pagemap_writer_begin(&s->w, e) < 0 ||
	    (s->c->huge_page ? find_huge(s, e) : find_normal(s, e)) < 0)
		return e->code;
	if (s->d->stream)
		return save_streamed(s, e);
	if (s->w.outlet && pagemap_writer_settle(&s->w, e) < 0)
		return e->code;
	if (page_pump(&s->source, s->w.size, &s->w.sink, e) < 0)
		return e->code;
	return pagemap_writer_finish(&s->w, e);
}

static int save_and_count(struct saving *s, struct err *e)
{
	struct dump_stats *stats = s->d->opt->dump_stats;
	int r;

	s->source.read = read_piece;
	s->w.kind = IMG_PAGEMAP_SHMEM;
	s->w.id = s->c->shmid;
	s->w.how = memory_how(s->d);
	s->w.outlet = s->d->outlet;
	r = save(s, e);
	stats->shpages_scanned += page_up(s->c->size) / PAGE_SIZE;
	stats->shpages_written +=
		s->d->stream && !s->runs_on ?
			0 :
			s->w.size / PAGE_SIZE - s->w.sink.zero_pages - s->w.sink.twin_pages;
	stats->shpages_skipped_parent += s->runs_on ? 0 : s->parent_pages;
	stats->pages_zero += s->w.sink.zero_pages;
	stats->pages_equal += s->w.sink.twin_pages;
	pagemap_writer_drop(&s->w);
	free(s->runs);
	return r;
}

/* Where counting goes on, this is what the next dump will ask for. */
static bool counts_on(const struct dump *d)
{
	return d->track_mem && d->opt->leave_running;
}

static int find_held(struct dump *d, const struct shmem_contents *c, struct shmem_held **ret,
		     struct err *e)
{
	*ret = NULL;
	if (c->huge_page || d->outlet)
		return 0;
	if (!counts_on(d)) {
		*ret = shmem_held_find(d, c->shmid);
		return 0;
	}
	*ret = shmem_held_make(d, c->shmid, c->size, e);
	if (!*ret)
		return e->code;
	(*ret)->pass = d->shmem_helds->pass;
	return 0;
}

int shmem_save(struct dump *d, const struct shmem_contents *c, struct err *e)
{
	struct shmem_held *held;

	if (find_held(d, c, &held, e) < 0)
		return e->code;
	struct saving s = { .d = d,
			    .c = c,
			    .held = held,
			    .keeps = held && counts_on(d),
			    .w = { .dir_fd = d->images,
				   .pages_id = memory_pages_id(d),
				   .manifest = &d->manifest } };

	return save_and_count(&s, e);
}

int shmem_save_running(struct dump *d, const struct shmem_contents *c, const struct shmem_round *r,
		       struct shmem_held *h, struct err *e)
{
	struct saving s = {
		.d = d,
		.c = c,
		.held = h,
		.runs_on = true,
		.keeps = true,
		.w = { .dir_fd = r->dir_fd, .pages_id = r->pages_id, .manifest = r->manifest }
	};

	return save_and_count(&s, e);
}

int shmem_send(const struct shmem_contents *c, struct page_run *runs, size_t count,
	       struct page_sink *sink, struct err *e)
{
	struct saving s = { .source = { read_piece }, .c = c, .runs = runs, .count = count };
	const struct page_run *last = count ? &runs[count - 1] : NULL;

	return page_pump(&s.source, last ? last->offset + last->bytes : 0, sink, e);
}
