/*
 * A pages file that is not compressed, read as if it were (packed.h): in chunks, each held against the manifest when it
 * is read. So several threads can read it, and nobody has to read it a second time for its checksums. One that is not in the
 * page cache is read past that: to bring it in costs more than to read it from the disk.
 */
#ifndef STASIS_IMAGES_PLAIN_H
#define STASIS_IMAGES_PLAIN_H

#include "images/manifest_chain.h"
#include "images/packed.h"

/* What is known of the file; it has to stay as long as the packed. */
struct plain_file {
	const struct chain_folder *folder;
	const struct listed_file *listed; /* NULL: no manifest lists it */
	uint64_t wanted;		  /* bytes of it that are going to be read */
};

/* 1: it is worth it. fd stays the caller's; plain->listed has the size of the file. */
must_check int plain_open(struct packed **ret, int fd, const struct plain_file *plain,
			  struct err *e);
/* A chunk into buf, whose size is PACKED_CHUNK_MAX and which begins on a page boundary. */
must_check int plain_read(const struct packed *p, uint64_t chunk, void *buf, struct err *e);

#endif
