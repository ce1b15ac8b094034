/* References of pages that are stored once, and the files that they lead to; see packed.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/packed.h"
#include "lib/io.h"
#include "lib/own.h"

struct packed_known {
	dev_t dev;
	ino_t ino;
	struct packed *file;
};

static bool is_stored(const struct packed *p, uint64_t page)
{
	uint64_t per_chunk = p->chunk_size / PAGE_SIZE;

	return p->index[page / per_chunk].present >> page % per_chunk & 1;
}

static uint64_t offset_of(const struct packed *p, uint64_t ref)
{
	return p->refs_at + ref * sizeof(*p->refs);
}

static const char *wrong_with(const struct packed *p, uint64_t ref, uint64_t end)
{
	const struct packed_ref *r = &p->refs[ref];
	uint32_t count = packed_ref_count(r);

	if (!count)
		return "is about no page";
	if (r->page < end)
		return "is out of order, or about the same pages as the one before";
	if (r->page >= p->bytes / PAGE_SIZE || count > p->bytes / PAGE_SIZE - r->page)
		return "goes beyond the end of the pages";
	for (uint64_t n = 0; n < count; n++)
		if (is_stored(p, r->page + n))
			return "is about a page that is stored here as well";
	return NULL;
}

int packed_refs_check(const struct packed *p, struct err *e)
{
	uint64_t end = 0;

	for (uint64_t n = 0; n < p->ref_count; n++) {
		const char *wrong = wrong_with(p, n, end);

		if (wrong)
			return err_say(e, "'%s' is damaged: reference %lu, at offset %lu, %s",
				       p->name, n, offset_of(p, n), wrong);
		end = p->refs[n].page + packed_ref_count(&p->refs[n]);
	}
	return 0;
}

uint64_t packed_ref_pages(const struct packed *p)
{
	uint64_t pages = 0;

	for (uint64_t n = 0; n < p->ref_count; n++)
		pages += packed_ref_count(&p->refs[n]);
	return pages;
}

static int find_known(const struct packed_files *files, int dir_fd, uint64_t id,
		      struct packed **ret)
{
	char name[IMAGE_NAME_MAX];
	struct stat st;

	if (fstatat(dir_fd, image_name(name, IMG_PACKED, id), &st, 0) < 0)
		return 0;
	for (size_t n = 0; n < files->count; n++)
		if (files->all[n].dev == st.st_dev && files->all[n].ino == st.st_ino) {
			*ret = files->all[n].file;
			return 1;
		}
	return 0;
}

static int open_known(struct packed **ret, struct packed_files *files, int dir_fd, uint64_t id,
		      struct err *e)
{
	struct stat st;

	if (find_known(files, dir_fd, id, ret))
		return 0;
	if (io_grow(&files->all, files->count, sizeof(*files->all), e) < 0 ||
	    packed_open(ret, dir_fd, id, e) < 0)
		return e->code;
	if (fstat((*ret)->fd, &st) < 0) {
		err_sys(e, "stat '%s'", (*ret)->name);
		packed_close(ret);
		return e->code;
	}
	(*ret)->shared = true;
	files->all[files->count++] = (struct packed_known){ st.st_dev, st.st_ino, *ret };
	return 0;
}

void packed_files_close(struct packed_files *files)
{
	for (size_t n = 0; n < files->count; n++) {
		files->all[n].file->shared = false;
		packed_close(&files->all[n].file);
	}
	free(files->all);
	*files = (struct packed_files){};
}

int packed_files_open(struct packed **ret, struct packed_files *files, int dir_fd, uint64_t id,
		      struct err *e)
{
	return open_known(ret, files, dir_fd, id, e) < 0 ? e->code :
							   packed_link(*ret, dir_fd, files, e);
}

static int by_id(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The files that are named, each once, in ascending order. */
static size_t list_sources(const struct packed *p, uint32_t *ids)
{
	size_t count = 0;

	for (uint64_t n = 0; n < p->ref_count; n++)
		ids[n] = p->refs[n].pages_id;
	qsort(ids, p->ref_count, sizeof(*ids), by_id);
	for (uint64_t n = 0; n < p->ref_count; n++)
		if (!count || ids[count - 1] != ids[n])
			ids[count++] = ids[n];
	return count;
}

static int say_missing(const struct packed *p, uint32_t id, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	uint64_t ref = 0;

	while (p->refs[ref].pages_id != id)
		ref++;
	return err_say(
		e,
		"'%s' cannot be read: reference %lu, at offset %lu, leads to '%s', which is missing",
		p->name, ref, offset_of(p, ref), image_name(name, IMG_PACKED, id));
}

/* Where other files are found. */
struct others {
	int dir_fd;
	struct packed_files *files;
};

static int open_source(struct packed *p, const struct others *o, uint32_t id,
		       const struct packed **ret, struct err *e)
{
	struct packed *source = NULL;

	if (id == p->id) {
		*ret = p;
		return 0;
	}
	if (open_known(&source, o->files, o->dir_fd, id, e) == -ENOENT)
		return say_missing(p, id, e);
	if (!source)
		return err_on(e, "'%s' leads to another file", p->name);
	*ret = source;
	return 0;
}

/* What it leads to has to be stored there: a reference to a reference could go in circles. */
static int check_ref(const struct packed *p, uint64_t ref, const struct packed *source,
		     struct err *e)
{
	const struct packed_ref *r = &p->refs[ref];
	uint64_t pages = source->bytes / PAGE_SIZE;
	uint32_t count = r->count & PACKED_SAME ? 1 : r->count;

	if (r->from >= pages || count > pages - r->from)
		return err_say(e,
			       "'%s' is damaged: reference %lu, at offset %lu, leads beyond the "
			       "pages of '%s'",
			       p->name, ref, offset_of(p, ref), source->name);
	for (uint64_t n = 0; n < count; n++)
		if (!is_stored(source, r->from + n))
			return err_say(e,
				       "'%s' is damaged: reference %lu, at offset %lu, leads to "
				       "page %lu of '%s', which is not stored there",
				       p->name, ref, offset_of(p, ref), r->from + n, source->name);
	return 0;
}

int packed_link(struct packed *p, int dir_fd, struct packed_files *files, struct err *e)
{
	own_mem uint32_t *ids = malloc(p->ref_count * sizeof(*ids) + 1);
	own_mem const struct packed **sources = NULL;
	struct others others = { dir_fd, files ? files : &p->own_files };
	size_t count;

	if (!ids)
		return err_sys(e, "memory for references");
	if (p->sources || !p->ref_count)
		return 0;
	count = list_sources(p, ids);
	sources = calloc(count, sizeof(*sources));
	if (!sources)
		return err_sys(e, "memory for references");
	for (size_t n = 0; n < count; n++)
		if (open_source(p, &others, ids[n], &sources[n], e) < 0)
			return e->code;
	for (uint64_t n = 0; n < p->ref_count; n++) {
		const uint32_t *id = bsearch(&p->refs[n].pages_id, ids, count, sizeof(*ids), by_id);

		if (check_ref(p, n, sources[id - ids], e) < 0)
			return e->code;
	}
	for (uint64_t n = 0; n < p->ref_count; n++)
		p->refs[n].pages_id =
			(uint32_t *)bsearch(&p->refs[n].pages_id, ids, count, sizeof(*ids), by_id) -
			ids;
	p->sources = take_mem(sources);
	return 0;
}

/* The first reference that ends behind the page. */
static uint64_t find_ref(const struct packed *p, uint64_t page)
{
	uint64_t low = 0, high = p->ref_count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (p->refs[middle].page + packed_ref_count(&p->refs[middle]) > page)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct packed_where packed_where(const struct packed *p, uint64_t page, uint64_t count)
{
	struct packed_where w = { p, page, count, false, false };
	const struct packed_ref *r;
	uint64_t ref, left;

	if (!p->ref_count)
		return w;
	assert(p->sources);
	ref = find_ref(p, page);
	if (ref == p->ref_count)
		return w;
	r = &p->refs[ref];
	if (r->page > page) {
		w.count = r->page - page < count ? r->page - page : count;
		return w;
	}
	left = r->page + packed_ref_count(r) - page;
	w = (struct packed_where){ p->sources[r->pages_id], r->from, left < count ? left : count,
				   true, r->count & PACKED_SAME };
	w.page += w.is_same ? 0 : page - r->page;
	return w;
}
