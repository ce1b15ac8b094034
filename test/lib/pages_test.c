/* Page maps: written, read again, resolved along a chain of folders, and refused when they are wrong. */
#include <errno.h>
#include <string.h>

#include "images/pagemap.pb-c.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE)

static struct err e;

struct piece {
	uint64_t page, count;
	uint32_t flags;
};

/* The map of process 5 in a folder; each present page holds its own number, and 'mark'. */
static void make_map(const struct folder *f, const struct piece *pieces, unsigned int mark)
{
	own_pagemap_writer w = { .dir_fd = f->fd, .kind = IMG_PAGEMAP, .id = 5, .pages_id = 1 };
	uint64_t page[PAGE_SIZE / 8] = {};

	assert(pagemap_writer_begin(&w, &e) == 0);
	for (; pieces->count; pieces++) {
		assert(pagemap_writer_add(&w, PAGES(pieces->page), pieces->count, pieces->flags,
					  &e) == 0);
		for (uint64_t n = 0; n < pieces->count && (pieces->flags & PE_PRESENT); n++) {
			page[0] = pieces->page + n;
			page[1] = mark;
			assert(io_write(w.pages_fd, page, PAGE_SIZE, "pages", &e) == 0);
		}
	}
	assert(pagemap_writer_finish(&w, &e) == 0);
}

/* Which mark has the page where the map says it is? */
static unsigned int mark_of(const struct stored_pages *p, uint64_t page)
{
	const struct stored_run *run = stored_pages_find(p, PAGES(page));
	uint64_t got[2];

	assert(run && run->vaddr <= PAGES(page));
	if (!(run->flags & PE_PRESENT))
		return 0;
	assert(pread(run->fd, got, sizeof(got), run->offset + PAGES(page) - run->vaddr) ==
	       sizeof(got));
	assert(got[0] == page);
	return got[1];
}

static int load(const struct folder *f)
{
	own_stored_pages p = {};

	return stored_pages_load(&p, f->fd, IMG_PAGEMAP, 5, &e);
}

static void written_is_read(void)
{
	own_folder f = folder_make();
	own_stored_pages p = {};

	make_map(&f,
		 (struct piece[]){ { 10, 2, PE_PRESENT },
				   { 12, 3, PE_PRESENT },
				   { 20, 1, PE_LAZY },
				   { 30, 4, PE_LAZY | PE_PRESENT },
				   {} },
		 7);
	assert(stored_pages_load(&p, f.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(p.count == 3 && p.pages_id == 1 && stored_pages_count(&p) == 10);
	assert(p.runs[0].vaddr == PAGES(10) && p.runs[0].nr_pages == 5);
	assert(p.runs[1].flags == PE_LAZY && p.runs[1].fd == -1);
	assert(p.runs[2].offset == PAGES(5));
	for (int n = 10; n < 15; n++)
		assert(mark_of(&p, n) == 7);
	assert(mark_of(&p, 33) == 7);
	assert(stored_pages_find(&p, 0) == &p.runs[0]);
	assert(stored_pages_find(&p, PAGES(15)) == &p.runs[1]);
	assert(!stored_pages_find(&p, PAGES(34)));
}

static void both_counts_are_written(void)
{
	own_folder f = folder_make();
	own_message PagemapHead *head = NULL;
	own_message PagemapEntry *entry = NULL;
	own_image i = {};

	make_map(&f, (struct piece[]){ { 10, 2, PE_PRESENT }, {} }, 1);
	assert(image_open(&i, f.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(image_read(&i, &pagemap_head__descriptor, &head, &e) == 1);
	assert(image_read(&i, &pagemap_entry__descriptor, &entry, &e) == 1);
	assert(entry->compat_nr_pages == 2 && entry->has_nr_pages && entry->nr_pages == 2);
}

/* The oldest has pages 10..19, the next 12..13 and 16, the newest 13; each takes the rest from before. */
static void chain_is_resolved(void)
{
	own_folder oldest = folder_make(), middle = folder_make(), newest = folder_make();
	static const unsigned int want[] = { 1, 1, 2, 3, 1, 1, 2, 1, 1, 1 };
	own_stored_pages p = {};

	make_map(&oldest, (struct piece[]){ { 10, 10, PE_PRESENT }, {} }, 1);
	make_map(&middle,
		 (struct piece[]){ { 10, 2, PE_PARENT },
				   { 12, 2, PE_PRESENT },
				   { 14, 2, PE_PARENT },
				   { 16, 1, PE_PRESENT },
				   { 17, 3, PE_PARENT },
				   {} },
		 2);
	make_map(&newest,
		 (struct piece[]){ { 10, 3, PE_PARENT },
				   { 13, 1, PE_PRESENT },
				   { 14, 6, PE_PARENT },
				   { 40, 1, PE_LAZY },
				   {} },
		 3);
	assert(symlinkat(oldest.path, middle.fd, "parent") == 0);
	assert(symlinkat(middle.path, newest.fd, "parent") == 0);
	assert(stored_pages_load(&p, newest.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(stored_pages_count(&p) == 11 && p.fd_count == 3);
	for (int n = 0; n < 10; n++)
		assert(mark_of(&p, 10 + n) == want[n]);
	for (size_t n = 0; n < p.count; n++)
		assert(!(p.runs[n].flags & PE_PARENT));
}

static void chain_is_broken(void)
{
	own_folder old = folder_make(), new = folder_make();

	make_map(&new, (struct piece[]){ { 10, 3, PE_PARENT }, {} }, 2);
	assert(load(&new) == -ENOENT);
	must_say(&e, "open 'parent': No such file or directory; the images are incremental and "
		     "need "
		     "those of "
		     "the dump before");
	assert(symlinkat(old.path, new.fd, "parent") == 0);
	assert(load(&new) == -ENOENT);
	must_say(&e, "'parent': 'pagemap-5.img' is missing");
	make_map(&old, (struct piece[]){ { 10, 2, PE_PRESENT }, { 14, 2, PE_PRESENT }, {} }, 1);
	assert(load(&new) == -EINVAL);
	must_say(&e, "'pagemap-5.img': the page at 0xc000 is in no folder of the chain");
	make_map(&old, (struct piece[]){ { 10, 4, PE_PARENT }, {} }, 1);
	assert(symlinkat(new.path, old.fd, "parent") == 0);
	assert(load(&new) == -ELOOP);
	must_say(&e, "'parent': 'parent' leads back to where it came from");
}

static void pages_file_has_another_size(void)
{
	own_folder f = folder_make();

	make_map(&f, (struct piece[]){ { 10, 3, PE_PRESENT }, {} }, 2);
	folder_put(&f, "pages-1.img", "short", 5);
	assert(load(&f) == -EINVAL);
	must_say(&e, "'pages-1.img' has 5 bytes, but by 'pagemap-5.img' it has 12288");
	unlinkat(f.fd, "pages-1.img", 0);
	assert(load(&f) == -ENOENT);
	must_say(&e, "'pages-1.img' of 'pagemap-5.img' is missing");
	make_map(&f, (struct piece[]){ {} }, 0);
	assert(load(&f) == 0 && folder_file_size(&f, "pages-1.img") == 0);
}

static void writer_sees_missing_pages(void)
{
	own_folder f = folder_make();
	own_pagemap_writer w = {
		.dir_fd = f.fd, .kind = IMG_PAGEMAP_SHMEM, .id = 5, .pages_id = 3
	};

	assert(pagemap_writer_begin(&w, &e) == 0);
	assert(pagemap_writer_add(&w, 0, 1, PE_PRESENT, &e) == 0);
	assert(pagemap_writer_finish(&w, &e) == -EINVAL);
	must_say(&e, "the pages of 'pagemap-shmem-5.img' have 0 bytes where 4096 belong");
}

static void put_entry(struct image *i, uint64_t vaddr, uint64_t count, int flags)
{
	PagemapEntry entry = PAGEMAP_ENTRY__INIT;

	entry.vaddr = vaddr;
	entry.has_nr_pages = true;
	entry.nr_pages = count;
	entry.has_flags = true;
	entry.flags = flags;
	assert(image_write(i, &entry, &e) == 0);
}

/* A map with one good run and one that is as given. */
static int load_with(uint64_t vaddr, uint64_t count, int flags)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	own_folder f = folder_make();
	own_image i = {};

	head.pages_id = 1;
	assert(image_create(&i, f.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(image_write(&i, &head, &e) == 0);
	put_entry(&i, 0x5000, 2, PE_LAZY);
	put_entry(&i, vaddr, count, flags);
	assert(image_close(&i, &e) == 0);
	return load(&f);
}

static void wrong_runs_are_refused(void)
{
	assert(load_with(0x7000, 1, PE_LAZY) == 0);
	assert(load_with(0x8000, 0, PE_LAZY) == 0);
	assert(load_with(0x7010, 1, PE_LAZY) < 0);
	must_say(&e, "'pagemap-5.img' is damaged: the run of 1 pages at 0x7010 (flags 2) does not "
		     "begin on a "
		     "page boundary");
	assert(load_with(0x6000, 1, PE_LAZY) < 0);
	must_say(&e, "'pagemap-5.img' is damaged: the run of 1 pages at 0x6000 (flags 2) overlaps "
		     "the "
		     "one "
		     "before or is out of order");
	assert(load_with(0x7000, UINT64_MAX / PAGE_SIZE, PE_PRESENT) < 0);
	assert(strstr(e.text, "goes beyond any address"));
	assert(load_with(0x7000, 1, 64) < 0 && strstr(e.text, "has flags that are not known"));
	assert(load_with(0x7000, 1, 0) < 0 && strstr(e.text, "does not say where its pages are"));
	assert(load_with(0x7000, 1, PE_PARENT | PE_PRESENT) < 0);
	assert(strstr(e.text, "claims to be both here and in the parent"));
}

/* Before 4.2: a 32-bit count, and in_parent instead of flags. */
static void old_entries_are_understood(void)
{
	PagemapHead head = PAGEMAP_HEAD__INIT;
	PagemapEntry entry = PAGEMAP_ENTRY__INIT;
	own_folder f = folder_make();
	own_stored_pages p = {};
	own_image i = {};
	char page[PAGE_SIZE] = {};

	head.pages_id = 1;
	assert(image_create(&i, f.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(image_write(&i, &head, &e) == 0);
	entry.vaddr = 0x3000;
	entry.compat_nr_pages = 1;
	assert(image_write(&i, &entry, &e) == 0);
	assert(image_close(&i, &e) == 0);
	folder_put(&f, "pages-1.img", page, sizeof(page));
	assert(stored_pages_load(&p, f.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(p.count == 1 && p.runs[0].flags == PE_PRESENT && p.runs[0].nr_pages == 1);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(written_is_read),
		UNIT(both_counts_are_written),
		UNIT(chain_is_resolved),
		UNIT(chain_is_broken),
		UNIT(pages_file_has_another_size),
		UNIT(writer_sees_missing_pages),
		UNIT(wrong_runs_are_refused),
		UNIT(old_entries_are_understood),
		{},
	});
}
