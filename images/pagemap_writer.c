/* Writing page maps; see pages.h. */
#include <assert.h>

#include "images/pagemap.pb-c.h"
#include "images/manifest.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"

/* Of shared objects nobody asks later what a page server has. */
static bool has_map(const struct pagemap_writer *w)
{
	return !w->outlet || w->kind == IMG_PAGEMAP;
}

static int begin_sink(struct pagemap_writer *w, struct err *e)
{
	if (w->outlet)
		return page_sink_to_outlet(&w->sink, w->outlet, w->kind, w->id, e);
	return page_sink_begin(&w->sink, w->dir_fd, w->pages_id, w->how, e);
}

int pagemap_writer_begin(struct pagemap_writer *w, struct err *e)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	int r = 0;

	w->pages_fd = -1;
	w->size = 0;
	w->last = (struct stored_run){};
	head.pages_id = w->pages_id;
	if (has_map(w))
		r = image_create(&w->map, w->dir_fd, w->outlet ? IMG_SENT : w->kind, w->id, e);
	if (r == 0 && has_map(w))
		r = image_write(&w->map, &head, e);
	if (r < 0)
		return r;
	r = begin_sink(w, e);
	w->pages_fd = w->sink.fd;
	return r;
}

static int write_last(struct pagemap_writer *w, struct err *e)
{
	PagemapEntry entry = PAGEMAP_ENTRY__INIT;

	if (!w->last.nr_pages)
		return 0;
	if (w->outlet && page_remote_add(w->sink.remote, &w->last, e) < 0)
		return e->code;
	if (!has_map(w))
		return 0;
	entry.vaddr = w->last.vaddr;
	/* Readers from before 4.2 of the format know the 32-bit count only; newer ones take the other. */
	entry.compat_nr_pages = w->last.nr_pages <= UINT32_MAX ? w->last.nr_pages : 0;
	entry.has_nr_pages = true;
	entry.nr_pages = w->last.nr_pages;
	entry.has_flags = true;
	entry.flags = w->last.flags;
	return image_write(&w->map, &entry, e);
}

int pagemap_writer_add(struct pagemap_writer *w, uint64_t vaddr, uint64_t nr_pages, uint32_t flags,
		       struct err *e)
{
	uint64_t end = w->last.vaddr + w->last.nr_pages * PAGE_SIZE;
	int r;

	assert(vaddr % PAGE_SIZE == 0 && vaddr >= end);
	assert(flags == PE_PARENT || (flags && !(flags & ~(PE_LAZY | PE_PRESENT))));
	if (flags & PE_PRESENT)
		w->size += nr_pages * PAGE_SIZE;
	if (w->last.nr_pages && vaddr == end && flags == w->last.flags) {
		w->last.nr_pages += nr_pages;
		return 0;
	}
	r = write_last(w, e);
	if (r < 0)
		return r;
	w->last = (struct stored_run){ .vaddr = vaddr, .nr_pages = nr_pages, .flags = flags };
	return 0;
}

static int list_files(struct pagemap_writer *w, struct err *e)
{
	char name[IMAGE_NAME_MAX];

	/* The rest of the folder is listed when that is complete. */
	if (!w->manifest || w->outlet)
		return 0;
	image_name(name, w->sink.packer ? IMG_PACKED : IMG_PAGES, w->pages_id);
	if (manifest_list(w->manifest, w->map.name, e) < 0)
		return e->code;
	if (w->sink.packer)
		return manifest_take_some(w->manifest, name, take_mem(w->sink.packer->sums),
					  w->sink.packer->sum_count, e);
	if (!w->sink.sums)
		return manifest_list(w->manifest, name, e);
	if (w->sink.some_sums)
		return manifest_take_some(w->manifest, name, take_mem(w->sink.sums),
					  manifest_chunks(w->size), e);
	return manifest_take(w->manifest, name, w->size, take_mem(w->sink.sums), e);
}

int pagemap_writer_settle(struct pagemap_writer *w, struct err *e)
{
	int r = write_last(w, e);

	w->last.vaddr += w->last.nr_pages * PAGE_SIZE;
	w->last.nr_pages = 0;
	return r;
}

int pagemap_writer_finish(struct pagemap_writer *w, struct err *e)
{
	int r = pagemap_writer_settle(w, e);

	if (r == 0)
		r = page_sink_finish(&w->sink, w->size, w->map.name, e);
	if (r == 0 && has_map(w))
		r = image_close(&w->map, e);
	return r < 0 ? r : list_files(w, e);
}

void pagemap_writer_drop(struct pagemap_writer *w)
{
	page_sink_drop(&w->sink);
	w->pages_fd = -1;
	image_drop(&w->map);
}
