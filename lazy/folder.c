/* Pages of a folder; see folder.h. */
#include "lazy/folder.h"

#include <errno.h>
#include <stdlib.h>

#include "images/manifest_chain.h"
#include "lazy/images.h"
#include "lib/io.h"
#include "lib/own.h"

struct folder_map {
	int pid;
	struct stored_pages *pages;
};

struct source_folder {
	struct lazy_source source; /* first */
	int dir_fd;
	struct manifest_chain chain;
	struct source_images *images;
	struct folder_map *maps;
	size_t count;
};

int source_folder_map(struct source_folder *f, int pid, const struct stored_pages **ret,
		      struct err *e)
{
	struct folder_map m = { pid, NULL };

	for (size_t i = 0; i < f->count; i++)
		if (f->maps[i].pid == pid) {
			*ret = f->maps[i].pages;
			return 0;
		}
	m.pages = calloc(1, sizeof(*m.pages));
	if (!m.pages || io_grow(&f->maps, f->count, sizeof(m), e) < 0) {
		free(m.pages);
		return err_sys(e, "memory for a page map");
	}
	if (stored_pages_load(m.pages, f->dir_fd, IMG_PAGEMAP, pid, e) < 0 ||
	    source_images_add(f->images, pid, m.pages, e) < 0) {
		stored_pages_free(m.pages);
		free(m.pages);
		return e->code;
	}
	f->maps[f->count++] = m;
	*ret = m.pages;
	return 0;
}

static int folder_read(struct lazy_source *source, const struct page_want *w, void *to,
		       uint64_t *ret_pages, struct err *e)
{
	struct source_folder *f = (struct source_folder *)source;
	struct lazy_source *images = source_images_source(f->images);
	const struct stored_pages *pages;

	if (source_folder_map(f, w->pid, &pages, e) < 0)
		return e->code;
	return images->read(images, w, to, ret_pages, e);
}

static void folder_descriptors(const struct lazy_source *source, void (*add)(void *arg, int fd),
			       void *arg)
{
	const struct source_folder *f = (const struct source_folder *)source;
	const struct lazy_source *images = source_images_source(f->images);

	add(arg, f->dir_fd);
	for (size_t i = 0; i < f->chain.count; i++)
		add(arg, f->chain.folders[i].fd);
	images->descriptors(images, add, arg);
}

static void folder_close(struct lazy_source *source)
{
	struct source_folder *f = (struct source_folder *)source;

	if (f->images)
		source_images_source(f->images)->close(source_images_source(f->images));
	for (size_t i = 0; i < f->count; i++) {
		stored_pages_free(f->maps[i].pages);
		free(f->maps[i].pages);
	}
	free(f->maps);
	manifest_chain_free(&f->chain);
	free(f);
}

int source_folder_begin(struct source_folder **ret, int dir_fd, struct err *e)
{
	struct source_folder *f = calloc(1, sizeof(*f));
	struct err ignored = { 0 };

	if (!f)
		return err_sys(e, "memory for a source of pages");
	f->source = (struct lazy_source){ folder_read, folder_descriptors, folder_close, NULL };
	f->dir_fd = dir_fd;
	/* How far the chain has to go is the page maps' business. */
	if (manifest_chain_open(&f->chain, dir_fd, e) < 0 ||
	    source_images_begin(&f->images, f->chain.count ? &f->chain : NULL, e) < 0) {
		folder_close(&f->source);
		return e->code;
	}
	(void)!manifest_chain_extend(&f->chain, &ignored);
	*ret = f;
	return 0;
}

struct lazy_source *source_folder_source(struct source_folder *f)
{
	return &f->source;
}
