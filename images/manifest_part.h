/*
 * Checksums for a manifest while a file is written in pieces, by threads that each go through some of it in order: what
 * one thread writes of a chunk in a row has not to be read again.
 */
#ifndef STASIS_IMAGES_MANIFEST_PART_H
#define STASIS_IMAGES_MANIFEST_PART_H

#include "images/manifest.h"

/* Of one thread; zeroed is fine. */
struct manifest_part {
	uint64_t *sums; /* of the file that the next offset is in; 0: not known */
	uint64_t next;	/* offset behind what came last */
	bool begun;	/* all of that chunk up to there is in parts */
	struct checksum_parts *parts;
};

/* What has been written at an offset. sums: as manifest_take_some() wants them, for all of the file; NULL: nobody does. */
void manifest_part_add(struct manifest_part *m, uint64_t *sums, uint64_t at, const void *data,
		       size_t size);
void manifest_part_free(struct manifest_part *m);

#endif
