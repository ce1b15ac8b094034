/* Pages from images; see images.h. */
#include "lazy/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/io.h"
#include "lib/own.h"

enum {
	CHUNK_PAGES = MANIFEST_CHUNK / 4096,
	/* What is asked for may begin and end in the middle of a chunk. */
	BUFFER = (SOURCE_PAGES + 2 * CHUNK_PAGES) * 4096,
};

/* A pages file that is not compressed, by its descriptor. */
struct plain_pages {
	int fd;
	const struct chain_folder *folder;
	const struct listed_file *listed; /* NULL: nobody has a checksum of it */
};

struct page_map {
	int pid;
	const struct stored_pages *pages;
};

struct source_images {
	struct lazy_source source;
	const struct manifest_chain *chain;
	struct page_map *maps;
	size_t count;
	struct plain_pages *plain;
	size_t plain_count;
	struct unpacker unpacker;
	char *buffer;
};

static const struct stored_pages *pages_of(const struct source_images *s, int pid)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->maps[i].pid == pid)
			return s->maps[i].pages;
	return NULL;
}

/* By the inode: whoever opened it may have come another way. */
static void find_listed(const struct source_images *s, struct plain_pages *p)
{
	struct stat ours, st;

	if (!s->chain || fstat(p->fd, &ours) < 0)
		return;
	for (size_t i = 0; i < s->chain->count; i++) {
		const struct chain_folder *f = &s->chain->folders[i];

		for (size_t n = 0; n < f->manifest.count; n++) {
			const struct listed_file *listed = &f->manifest.files[n];
			enum image_kind kind;
			uint64_t id;

			if (image_name_parse(listed->name, &kind, &id) && kind == IMG_PAGES &&
			    fstatat(f->fd, listed->name, &st, 0) == 0 && st.st_ino == ours.st_ino &&
			    st.st_dev == ours.st_dev) {
				p->folder = f;
				p->listed = listed;
				return;
			}
		}
	}
}

static int add_plain(struct source_images *s, int fd, struct err *e)
{
	struct plain_pages p = { .fd = fd };

	if (io_grow(&s->plain, s->plain_count, sizeof(p), e) < 0)
		return e->code;
	find_listed(s, &p);
	s->plain[s->plain_count++] = p;
	return 0;
}

int source_images_add(struct source_images *s, int pid, const struct stored_pages *pages,
		      struct err *e)
{
	if (io_grow(&s->maps, s->count, sizeof(*s->maps), e) < 0)
		return e->code;
	s->maps[s->count++] = (struct page_map){ pid, pages };
	for (size_t i = 0; i < pages->fd_count; i++)
		if (add_plain(s, pages->fds[i], e) < 0)
			return e->code;
	return 0;
}

static const struct plain_pages *plain_of(const struct source_images *s, int fd)
{
	for (size_t i = 0; i < s->plain_count; i++)
		if (s->plain[i].fd == fd)
			return &s->plain[i];
	return NULL;
}

/* Whole chunks are read, since only these have checksums. */
static int read_plain(struct source_images *s, const struct plain_pages *p,
		      const struct packed_part *part, struct err *e)
{
	const struct listed_file *listed = p->listed;
	uint64_t first = part->at / MANIFEST_CHUNK, at = first * MANIFEST_CHUNK, end;

	if (!listed)
		return io_pread(p->fd, part->to, part->size, part->at, e);
	end = manifest_chunks(part->at + part->size) * MANIFEST_CHUNK;
	end = end < listed->size ? end : listed->size;
	if (end < part->at + part->size)
		return err_say(e, "'%s' is cut short", listed->name);
	if (io_pread(p->fd, s->buffer, end - at, at, e) < 0) {
		err_on(e, "'%s'", listed->name);
		return manifest_chain_on(p->folder, e);
	}
	for (uint64_t n = first; n * MANIFEST_CHUNK < end && n < listed->sum_count; n++)
		if (listed_compare(listed, n, s->buffer + (n - first) * MANIFEST_CHUNK, e) < 0)
			return manifest_chain_on(p->folder, e);
	memcpy(part->to, s->buffer + (part->at - at), part->size);
	return 0;
}

static int read_run(struct source_images *s, const struct stored_run *run,
		    const struct packed_part *part, struct err *e)
{
	const struct plain_pages *p = run->packed ? NULL : plain_of(s, run->fd);

	if (run->packed)
		return unpacker_copy(&s->unpacker, run->packed, *part, e);
	if (p)
		return read_plain(s, p, part, e);
	return io_pread(run->fd, part->to, part->size, part->at, e);
}

/* What would be in the next chunk of a compressed file waits for another call: it takes as long again. */
static uint64_t within_chunk(const struct stored_run *run, uint64_t offset, uint64_t pages)
{
	uint64_t left;

	if (!run->packed || !run->packed->codec)
		return pages;
	left = (run->packed->chunk_size - offset % run->packed->chunk_size) / PAGE_SIZE;
	return pages < left ? pages : left;
}

static int images_read(struct lazy_source *source, const struct page_want *w, void *to,
		       uint64_t *ret_pages, struct err *e)
{
	struct source_images *s = (struct source_images *)source;
	const struct stored_pages *pages = pages_of(s, w->pid);
	const struct stored_run *run = pages ? stored_pages_find(pages, w->vaddr) : NULL;
	struct packed_part part = { .to = to };
	uint64_t count;

	if (!run || run->vaddr > w->vaddr || !(run->flags & PE_PRESENT))
		return -ENODATA;
	count = (run->vaddr + run->nr_pages * PAGE_SIZE - w->vaddr) / PAGE_SIZE;
	count = count < w->pages ? count : w->pages;
	count = count < SOURCE_PAGES ? count : SOURCE_PAGES;
	part.at = run->offset + (w->vaddr - run->vaddr);
	count = within_chunk(run, part.at, count);
	part.size = count * PAGE_SIZE;
	if (read_run(s, run, &part, e) < 0) {
		/* What follows may be damaged, and the first page not. */
		if (count == 1 || run->packed)
			return e->code;
		count = 1;
		part.size = PAGE_SIZE;
		*e = (struct err){ 0 };
		if (read_run(s, run, &part, e) < 0)
			return e->code;
	}
	*ret_pages = count;
	return 0;
}

static void add_packed(const struct packed *p, void (*add)(void *arg, int fd), void *arg)
{
	uint32_t sources = 0;

	add(arg, p->fd);
	for (size_t i = 0; i < p->ref_count && p->sources; i++)
		if (p->refs[i].pages_id >= sources)
			sources = p->refs[i].pages_id + 1;
	for (uint32_t i = 0; i < sources; i++)
		add(arg, p->sources[i]->fd);
}

static void images_descriptors(const struct lazy_source *source, void (*add)(void *arg, int fd),
			       void *arg)
{
	const struct source_images *s = (const struct source_images *)source;

	for (size_t i = 0; i < s->count; i++) {
		for (size_t n = 0; n < s->maps[i].pages->fd_count; n++)
			add(arg, s->maps[i].pages->fds[n]);
		for (size_t n = 0; n < s->maps[i].pages->packed_count; n++)
			add_packed(s->maps[i].pages->packed[n], add, arg);
	}
}

static void images_close(struct lazy_source *source)
{
	struct source_images *s = (struct source_images *)source;

	unpacker_end(&s->unpacker);
	free(s->buffer);
	free(s->plain);
	free(s->maps);
	free(s);
}

int source_images_begin(struct source_images **ret, const struct manifest_chain *chain,
			struct err *e)
{
	struct source_images *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(e, "memory for a source of pages");
	s->source = (struct lazy_source){ images_read, images_descriptors, images_close, NULL };
	s->chain = chain;
	s->buffer = malloc(BUFFER);
	if (!s->buffer || unpacker_begin(&s->unpacker, e) < 0) {
		images_close(&s->source);
		return e->code ? e->code : err_code(e, ENOMEM, "memory for a source of pages");
	}
	*ret = s;
	return 0;
}

struct lazy_source *source_images_source(struct source_images *s)
{
	return &s->source;
}
