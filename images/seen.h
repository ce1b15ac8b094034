/*
 * Pages that were stored before in the same folder, for --dedup-pages. A table has a hash of each page that is stored, and
 * where it is; what the hash finds is a candidate, and the bytes of both are compared.
 *
 * A place of the table takes 16 bytes, of which there are 4/3 to 8/3 for a page (and those of half as many while it grows). It
 * does not grow beyond SEEN_MAX bytes: pages that come behind that are not found again. The seed of the hash is
 * random, so nobody can make a table of pages that all have the same place.
 *
 * Several threads look at once. One that has found a page in a piece that another one has not written yet waits for it;
 * that one came to the table before, so nobody waits in a circle.
 */
#ifndef STASIS_IMAGES_SEEN_H
#define STASIS_IMAGES_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { SEEN_MAX = 256 << 20 };

struct seen_pages;
struct unpack_cache;
struct packed_chunk;
struct codec;

/* dir_fd: where files are found when they are finished; it stays the caller's. */
must_check int seen_begin(struct seen_pages **ret, int dir_fd, struct err *e);
void seen_end(struct seen_pages **s);
/* For tests: many pages have the same hash, and only their bytes tell them apart. */
void seen_weaken(struct seen_pages *s);
#define own_seen __attribute__((cleanup(seen_end))) struct seen_pages

/* A file that is being written through fd. */
must_check int seen_add_file(struct seen_pages *s, uint64_t pages_id, int fd, size_t *ret,
			     struct err *e);
/* It has been written as it should and is closed, or it does not count. */
void seen_end_file(struct seen_pages *s, size_t file, bool is_good);

/* What one thread looks with. */
struct seen_hand {
	struct seen_hand *next; /* of those whose piece is not written yet */
	size_t file;
	uint64_t chunk;
	bool is_busy;
	struct unpack_cache *cache;
	char *buf;	  /* of one chunk, read back */
	int fd;		  /* of the file, open */
	size_t open_file; /* plus 1; 0: none */
};

/* Pages of a chunk that is about to be written. */
struct seen_piece {
	size_t file;
	uint64_t chunk;
	const char *data;
	size_t size;
	const struct codec *codec; /* of all files */
};

/* Where a page is stored. */
struct seen_place {
	uint64_t pages_id, page;
};

enum { SEEN_PAGES = 64 }; /* of a piece, at most */

/* A bit for each page of a piece that is stored already, or comes before in the piece itself, and where. */
struct seen_twins {
	uint64_t pages;
	struct seen_place where[SEEN_PAGES];
};

/* All other pages but those of zeros are going to be stored; seen_done() has to say that they are, unless this fails. */
must_check int seen_look(struct seen_pages *s, struct seen_hand *h, const struct seen_piece *piece,
			 struct seen_twins *ret, struct err *e);
/* The piece is in the file as c says; NULL: it could not be written. */
void seen_done(struct seen_pages *s, struct seen_hand *h, const struct packed_chunk *c);
void seen_hand_end(struct seen_hand *h);

#endif
