/* Making a folder of a chain anew; see merge.h. */
#include "images/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/manifest_chain.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"

struct merging {
	int from, to;
	bool has_base;
	struct stat base; /* what 'to' stands on */
	struct compression how;
	struct manifest manifest; /* of 'to' */
};

/* Where the present pages of a map come from, in the order of the new pages file. */
struct piece_of_run {
	const struct stored_run *run;
	uint64_t offset; /* in the new file */
};

struct runs_source {
	struct page_source source; /* this */
	struct piece_of_run *all;
	size_t count;
};

static bool same_folder(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int open_base(struct merging *m, struct err *e)
{
	own_fd fd = openat(m->to, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "open 'parent'");
	m->has_base = true;
	return fstat(fd, &m->base) < 0 ? err_sys(e, "stat 'parent'") : 0;
}

static int check_files(const struct chain_folder *f, struct err *e)
{
	for (size_t n = 0; n < f->manifest.count; n++)
		if (listed_check_all(&f->manifest.files[n], f->fd, e) < 0)
			return manifest_chain_on(f, e);
	return 0;
}

/* A damaged page must not be given a checksum that it is right by. */
static int check_sources(struct merging *m, struct err *e)
{
	own_manifest_chain c = {};

	if (manifest_chain_open(&c, m->from, e) < 0 || manifest_chain_extend(&c, e) < 0)
		return e->code;
	for (size_t n = 0; n < c.count; n++) {
		if (m->has_base && same_folder(&c.folders[n].st, &m->base))
			break;
		if (check_files(&c.folders[n], e) < 0)
			return e->code;
	}
	m->manifest.keeps_id = c.folders[0].has_manifest;
	memcpy(m->manifest.id, c.folders[0].manifest.id, MANIFEST_ID);
	return 0;
}

static int read_run(const struct stored_run *run, struct page_piece *p, struct packed_part part,
		    struct err *e)
{
	if (!run->packed)
		return io_pread(run->fd, part.to, part.size, part.at, e);
	if (!p->unpacker) {
		p->unpacker = calloc(1, sizeof(*p->unpacker));
		if (!p->unpacker || unpacker_begin(p->unpacker, e) < 0)
			return err_code(e, ENOMEM, "memory for compressed pages");
	}
	return unpacker_copy(p->unpacker, run->packed, part, e);
}

static int read_piece(const struct page_source *source, struct page_piece *p, char *buf,
		      struct err *e)
{
	const struct runs_source *s = (const struct runs_source *)source;

	for (size_t done = 0; done < p->size;) {
		const struct piece_of_run *from = &s->all[p->place];
		uint64_t bytes = from->run->nr_pages * PAGE_SIZE;
		uint64_t skip = p->at + done - from->offset;
		size_t part = p->size - done;

		if (skip >= bytes) {
			p->place++; /* pieces come in order, to each thread */
			continue;
		}
		part = part < bytes - skip ? part : bytes - skip;
		struct packed_part at = { buf + done, part, from->run->offset + skip };
		if (read_run(from->run, p, at, e) < 0)
			return e->code;
		done += part;
	}
	return 0;
}

static int add_runs(struct pagemap_writer *w, const struct stored_pages *pages,
		    struct runs_source *s, struct err *e)
{
	s->all = malloc(pages->count * sizeof(*s->all) + 1);
	if (!s->all)
		return err_sys(e, "memory for a page map");
	for (size_t i = 0; i < pages->count; i++) {
		const struct stored_run *run = &pages->runs[i];

		if (run->flags & PE_PRESENT)
			s->all[s->count++] = (struct piece_of_run){ run, w->size };
		if (pagemap_writer_add(w, run->vaddr, run->nr_pages, run->flags, e) < 0)
			return e->code;
	}
	return 0;
}

static int copy_pages(struct pagemap_writer *w, const struct stored_pages *pages, struct err *e)
{
	struct runs_source s = { .source = { read_piece } };
	int r = add_runs(w, pages, &s, e);

	if (r == 0)
		r = page_pump(&s.source, w->size, &w->sink, e);
	free(s.all);
	return r < 0 ? r : pagemap_writer_finish(w, e);
}

static int copy_map(struct merging *m, enum image_kind kind, uint64_t id, struct err *e)
{
	const struct stored_map which = { m->from, kind, id, m->has_base ? &m->base : NULL, NULL };
	own_stored_pages pages = {};
	own_pagemap_writer w = {
		.dir_fd = m->to, .kind = kind, .id = id, .how = m->how, .manifest = &m->manifest
	};

	if (stored_pages_load_upon(&pages, &which, e) < 0)
		return e->code;
	w.pages_id = pages.pages_id;
	return pagemap_writer_begin(&w, e) < 0 ? e->code : copy_pages(&w, &pages, e);
}

/* Nobody writes to an image once it is complete, so both folders may have it. */
static int take_file(struct merging *m, const char *name, struct err *e)
{
	enum image_kind kind;
	uint64_t id;
	int r = 0;

	if (!image_name_parse(name, &kind, &id) || kind == IMG_PAGES || kind == IMG_PACKED ||
	    kind == IMG_MANIFEST || kind == IMG_INVENTORY)
		return 0;
	if (kind == IMG_PAGEMAP || kind == IMG_PAGEMAP_SHMEM)
		r = copy_map(m, kind, id, e);
	else if (linkat(m->from, name, m->to, name, 0) < 0)
		r = err_sys(e, "link it into another folder");
	return r < 0 ? err_on(e, "'%s'", name) : 0;
}

static int take_files(struct merging *m, struct err *e)
{
	own_fd fd = openat(m->from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir)
		return err_sys(e, "read the folder of images");
	take_fd(&fd);
	for (errno = 0; (d = readdir(dir)); errno = 0)
		if (take_file(m, d->d_name, e) < 0)
			return e->code;
	return errno ? err_sys(e, "read the folder of images") : 0;
}

int merge_folder(int from, int to, struct compression how, struct err *e)
{
	own_message InventoryEntry *inventory = NULL;
	struct merging m = { .from = from, .to = to, .how = how };
	int r = open_base(&m, e);

	if (r == 0)
		r = image_load(from, IMG_INVENTORY, 0, &inventory, e);
	if (r == 0 && how.once)
		r = seen_begin(&m.how.seen, to, e);
	if (r == 0)
		r = check_sources(&m, e);
	if (r == 0)
		r = take_files(&m, e);
	if (r == 0)
		r = image_set_finish(to, inventory, &m.manifest, e);
	seen_end(&m.how.seen);
	manifest_free(&m.manifest);
	return r;
}
