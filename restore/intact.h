/*
 * Images are held against their manifest (images/manifest.h) while they are restored: small ones before anything is
 * started, pages meanwhile by threads of their own, and all of it before the tree is let go.
 */
#ifndef STASIS_RESTORE_INTACT_H
#define STASIS_RESTORE_INTACT_H

#include "images/pages.h"
#include "restore/restore.h"

/* Reads the manifest, and begins to look at all images but the pages. */
must_check int intact_begin(struct restore *r, struct err *e);
/* Whether there is a manifest: the images were written by stasis, and are told from any others. */
bool intact_lists(const struct restore *r);
/* Waits for that. What it has found goes before what else went wrong with the images. */
must_check int intact_images(struct restore *r, struct err *e);
/* stored_pages_load() for pages that are going to be read: begins to look at them, too. */
must_check int intact_load(struct restore *r, struct stored_pages *ret, enum image_kind kind,
			   uint64_t id, struct err *e);
/* The same in two parts: without looking at any, and then at those that are going to be read at once. */
must_check int intact_load_only(struct restore *r, struct stored_pages *ret, enum image_kind kind,
				uint64_t id, struct err *e);
must_check int intact_look(struct restore *r, struct stored_pages *some, struct err *e);
/* The folders and their manifests, NULL: there are none. They stay until intact_close(). */
const struct manifest_chain *intact_chain(const struct restore *r);
/* Waits for those. */
must_check int intact_wait(struct restore *r, struct err *e);
/* At the very end, however it went. */
void intact_close(struct restore *r);

#endif
