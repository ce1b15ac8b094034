/*
 * Pages from images: plain, compressed, stored once, of a chain of folders. Each is held against its checksum when it is
 * read, and not before, so that a restore need not wait for that.
 */
#ifndef STASIS_LAZY_IMAGES_H
#define STASIS_LAZY_IMAGES_H

#include "images/manifest_chain.h"
#include "images/pages.h"
#include "lazy/source.h"

struct source_images;

/* chain: the folders with their manifests, NULL: nothing is checked. It stays the caller's, and has to stay. */
must_check int source_images_begin(struct source_images **ret, const struct manifest_chain *chain,
				   struct err *e);
/* The page map of pid, which stays the caller's. */
must_check int source_images_add(struct source_images *s, int pid, const struct stored_pages *pages,
				 struct err *e);
struct lazy_source *source_images_source(struct source_images *s);

#endif
