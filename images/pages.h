/*
 * Page maps: which pages of a process (pagemap-PID) or of a shared object (pagemap-shmem-ID) are stored, and
 * where. Contents are in pages-N.img, which has no header: only present pages take room there, in the order
 * of the map; or compressed in stasis-pages-N.img (packed.h). Pages that an incremental dump did not store again are those of the folder 'parent', of the
 * map of the same name there; whoever reads a map here gets them resolved, however long the chain.
 */
#ifndef STASIS_IMAGES_PAGES_H
#define STASIS_IMAGES_PAGES_H

#include "images/image.h"
#include "images/page_sink.h"

#define PE_PARENT 1U  /* in the parent's page map; alone */
#define PE_LAZY 2U    /* may be filled after the process runs again */
#define PE_PRESENT 4U /* in the pages file; without it (lazy) at the source of a migration */

/* Consecutive pages that are stored together. */
struct stored_run {
	uint64_t vaddr; /* address in the process, or offset in the shared object */
	uint64_t nr_pages;
	uint32_t flags; /* PE_LAZY, PE_PRESENT: what the image that has the pages says */
	/* Its pages file, owned by the stored_pages: a descriptor or a compressed one; -1, NULL: the other, or none. */
	int fd;
	struct packed *packed;
	uint64_t offset; /* there, in bytes; in both cases as if it were not compressed */
};

struct PagemapEntry;
struct stat;

/* A page map: runs in ascending order that do not overlap. */
struct stored_pages {
	struct stored_run *runs;
	size_t count;
	int *fds; /* pages files: our own and those of ancestors */
	size_t fd_count;
	struct packed **packed; /* compressed ones, likewise */
	size_t packed_count;
	uint32_t pages_id;
};

/* Loads and checks the page map (IMG_PAGEMAP or IMG_PAGEMAP_SHMEM) with what it takes from its ancestors. */
must_check int stored_pages_load(struct stored_pages *ret, int dir_fd, enum image_kind kind,
				 uint64_t id, struct err *e);
/* Which map, and how far back. */
struct stored_map {
	int dir_fd;
	enum image_kind kind;
	uint64_t id;
	const struct stat *base;    /* no further than this ancestor; NULL: to the end */
	struct packed_files *files; /* outlives what is loaded; NULL: nobody else reads them */
};

/* The same; what is the base's stays the parent's, without a file. */
must_check int stored_pages_load_upon(struct stored_pages *ret, const struct stored_map *which,
				      struct err *e);
/* The same of this folder alone: what is the parent's stays that, without a file. */
must_check int stored_pages_load_folder(struct stored_pages *ret, int dir_fd, enum image_kind kind,
					uint64_t id, struct err *e);
/* What has gone to a page server: the runs of stasis-sent-ID, without files. */
must_check int stored_pages_load_sent(struct stored_pages *ret, int dir_fd, uint64_t id,
				      struct err *e);
void stored_pages_free(struct stored_pages *p);
#define own_stored_pages __attribute__((cleanup(stored_pages_free))) struct stored_pages

/* From now on the runs of this pages file, one of p->fds, are read through packed, which is taken over, also when it fails. */
must_check int stored_pages_reroute(struct stored_pages *p, int fd, struct packed **packed,
				    struct err *e);
/* The first run that ends behind vaddr: the one that holds it, or the next; NULL when there is none. */
const struct stored_run *stored_pages_find(const struct stored_pages *p, uint64_t vaddr);
/* Contents of a run that is PE_PRESENT, from this offset of its pages file on. Not for many threads at once. */
must_check int stored_run_read(const struct stored_run *run, void *buf, size_t size,
			       uint64_t offset, struct err *e);
/* What an entry says, whichever version of the format wrote it; offset is not known from it. */
struct stored_run stored_run_of(const struct PagemapEntry *entry);
/* How many pages are stored in all. */
uint64_t stored_pages_count(const struct stored_pages *p);

struct manifest;

/*
 * Writes a page map next to its pages. Whoever writes it puts the contents into the sink, in the order in
 * which present runs are added. Fill the first seven, then begin.
 */
struct pagemap_writer {
	int dir_fd;
	enum image_kind kind; /* IMG_PAGEMAP or IMG_PAGEMAP_SHMEM */
	uint64_t id;
	uint32_t pages_id;
	struct compression how;
	struct manifest *manifest; /* gets both files when they are complete; may be NULL */
	/* Where both go instead; then stasis-sent-ID says what did. NULL: into files. */
	struct page_outlet *outlet;

	struct page_sink sink;
	int pages_fd;  /* pages-N.img, open for writing; -1: it is compressed */
	uint64_t size; /* bytes of present pages added so far: where the next ones go */
	struct image map;
	struct stored_run last; /* not written yet: the next run may continue it */
};

must_check int pagemap_writer_begin(struct pagemap_writer *w, struct err *e);
/* Runs come in ascending order; a run that continues the last one becomes part of it. */
must_check int pagemap_writer_add(struct pagemap_writer *w, uint64_t vaddr, uint64_t nr_pages,
				  uint32_t flags, struct err *e);
/* No more runs follow, and pages can be put. */
must_check int pagemap_writer_settle(struct pagemap_writer *w, struct err *e);
/* Completes both files; says so when the pages file does not hold what was added. */
must_check int pagemap_writer_finish(struct pagemap_writer *w, struct err *e);
/* Lets go of a writer that was begun, finished or not. */
void pagemap_writer_drop(struct pagemap_writer *w);
#define own_pagemap_writer __attribute__((cleanup(pagemap_writer_drop))) struct pagemap_writer

#endif
