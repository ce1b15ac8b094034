/*
 * Compressed pages: stasis-pages-N.img instead of pages-N.img. Everybody else finds that file missing, and takes
 * nothing for pages that is none.
 *
 * The file: two magic words and a packed_head; chunks, in any order and without gaps; the index; the tail, which
 * says where the index is. A chunk is a stretch of chunk_size bytes of what pages-N.img would hold, without the pages
 * that are all zero; it stands alone, so any page can be had by expanding its chunk. Offsets of page maps are those of
 * pages-N.img in both cases.
 *
 * With --dedup-pages (version 2) a page that an equal one is stored of, in this file or another one of the folder, is not
 * stored again. Behind the index lie references, one for each run of such pages, in ascending order: which pages of that
 * file are the same, in a row, or all of them a single one. A reference leads to pages that are stored, never to other
 * references, so one step is always enough and none can go in circles; which of two equal pages comes first does not
 * matter. The codec is "none" when nothing is compressed. Pages are named by where they are in pages-N.img, so a file
 * that others lead to may be written anew as long as it still stores them.
 *
 * A reader trusts nothing: the index, the references and what lies before the chunks have a checksum, and each chunk has
 * one of what is stored, which is compared before anything is expanded.
 */
#ifndef STASIS_IMAGES_PACKED_H
#define STASIS_IMAGES_PACKED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "images/codec.h"
#include "images/image.h"
#include "images/seen.h"

enum {
	PACKED_VERSION = 1,
	PACKED_ONCE = 2, /* with references */
	/* Half of it takes lz4 a third longer; twice as much wins some 4 % and makes a single page wait twice as long. */
	PACKED_CHUNK = 128 << 10,
	PACKED_CHUNK_MAX = 256 << 10, /* 64 pages: a bit for each */
};

#define PACKED_RAW 1U /* it would not get smaller, and is stored as it is */
#define PACKED_END 0x444e454745504753ULL
#define PACKED_NO_CODEC "none"

/* In the index, little endian as all of an image. */
struct packed_chunk {
	uint64_t at;   /* in the file */
	uint32_t size; /* there; 0: no page is stored */
	uint32_t flags;
	uint64_t present; /* a bit for each page that is stored; others are zero, or references */
	uint64_t checksum;
};

/* Pages that are stored elsewhere. */
struct packed_ref {
	uint64_t page;	   /* the first of them, in this file */
	uint64_t from;	   /* the same of the other one */
	uint32_t count;	   /* and PACKED_SAME */
	uint32_t pages_id; /* of the other one, which may be this one */
};

#define PACKED_SAME (1U << 31) /* all are the one page at 'from' */

static inline uint32_t packed_ref_count(const struct packed_ref *r)
{
	return r->count & ~PACKED_SAME;
}

/* The references fill what is between the index and this. */
struct packed_tail {
	uint64_t index_at;
	uint64_t chunks;
	uint64_t bytes;	   /* of pages-N.img */
	uint64_t checksum; /* of all that is no chunk, up to here */
	uint64_t end;	   /* PACKED_END: the file is whole */
};

/* Size of what is stored of a chunk when it has been expanded. */
static inline size_t packed_full_size(const struct packed_chunk *c)
{
	return (size_t)__builtin_popcountll(c->present) * 4096;
}

struct plain_file;
struct unpack_cache;

/* Files that are open because others lead to them, each of them once. Zeroed, there are none. */
struct packed_files {
	struct packed_known *all;
	size_t count;
};

/* An open file. Many threads may read at once, each with an unpacker of its own. */
struct packed {
	char name[IMAGE_NAME_MAX];
	int fd;
	uint64_t id;
	const struct codec *codec; /* NULL: nothing is compressed */
	int level;
	bool once; /* PACKED_ONCE */
	uint32_t chunk_size;
	uint64_t bytes, chunk_count;
	struct packed_chunk *index;
	struct packed_ref *refs; /* once they are linked, pages_id is a place in sources */
	uint64_t ref_count, refs_at;
	const struct packed **sources; /* NULL: not linked */
	struct packed_files own_files; /* they, if nobody else has them */
	bool shared;		       /* it belongs to a packed_files */
	struct unpacker *own; /* for packed_page and packed_read; comes with the first call */
	const struct plain_file *plain; /* not NULL: it is none, but read as if it were (plain.h) */
	bool passes_cache;		/* that, with O_DIRECT */
};

/*
 * Opens stasis-pages-ID.img and checks all but the chunks. -ENOENT when there is none. Pages of one that has references can
 * be read when it is linked.
 */
must_check int packed_open(struct packed **ret, int dir_fd, uint64_t id, struct err *e);
void packed_close(struct packed **p);
/*
 * Opens and checks the files of the folder that the references lead to. They belong to files, which has to outlive p; to p
 * itself if that is NULL.
 */
must_check int packed_link(struct packed *p, int dir_fd, struct packed_files *files, struct err *e);
/* Both for a file that is read together with others: it belongs to files then. */
must_check int packed_files_open(struct packed **ret, struct packed_files *files, int dir_fd,
				 uint64_t id, struct err *e);
void packed_files_close(struct packed_files *files);

/* For packed_open(): what can be said of the references without other files. */
must_check int packed_refs_check(const struct packed *p, struct err *e);
/* Pages that are references. */
uint64_t packed_ref_pages(const struct packed *p);

/* Where pages are stored: so many in a row, which are references or none. */
struct packed_where {
	const struct packed *file;
	uint64_t page, count;
	bool is_ref, is_same; /* is_same: they are all the one page */
};
struct packed_where packed_where(const struct packed *p, uint64_t page, uint64_t count);

#define own_packed __attribute__((cleanup(packed_close))) struct packed
/* Bytes of chunks in the file, and pages that are all zero. */
uint64_t packed_stored(const struct packed *p);
uint64_t packed_zero_pages(const struct packed *p);

/* Not for many threads at once: the page at this offset, valid until the next call for the file; NULL: an error. */
const char *packed_page(struct packed *p, uint64_t offset, struct err *e);
must_check int packed_read(struct packed *p, void *buf, size_t size, uint64_t offset,
			   struct err *e);
/* Gives back what the two have needed. */
void packed_forget(struct packed *p);

/* What one thread expands with: one chunk at a time. */
struct unpacker {
	const struct codec *codec;
	void *expander;
	const struct packed *file; /* whose chunk is in data; NULL: none */
	uint64_t chunk;
	char *data, *stored;	    /* PACKED_CHUNK_MAX each; data: whole, with the zero pages */
	struct unpack_cache *cache; /* where references lead to; NULL: to none so far */
};

/* Chunks that have been expanded before, of a few of the places that references lead to. */
struct unpack_slot {
	const void *file; /* NULL: it is empty, and for the caller to fill */
	uint64_t chunk, used;
	struct unpacker unpacker;
};

struct unpack_slot *unpack_cache_find(struct unpack_cache **cache, const void *file, uint64_t chunk,
				      struct err *e);
void unpack_cache_free(struct unpack_cache **cache);

must_check int unpacker_begin(struct unpacker *u, struct err *e);
void unpacker_end(struct unpacker *u);
/* What is stored of the chunk into u->data, and zeros. */
must_check int unpacker_take(struct unpacker *u, const struct packed *p, uint64_t chunk,
			     struct err *e);

/*
 * The same of what lies in u->stored already, or in u->data if it is PACKED_RAW. pages: of the whole chunk. 1: it does
 * not expand to what it should, which is the caller's to say.
 */
must_check int unpacker_expand(struct unpacker *u, const struct codec *codec,
			       const struct packed_chunk *c, size_t pages, struct err *e);

/* A stretch of what pages-N.img would hold. */
struct packed_part {
	char *to;
	size_t size;
	uint64_t at;
};

/* References are followed. */
must_check int unpacker_copy(struct unpacker *u, const struct packed *p, struct packed_part part,
			     struct err *e);

/* Writing. Any number of threads may put chunks at once, in any order, each with a compressor of its own. */
struct packer {
	struct compression how;
	struct image image;
	pthread_mutex_t lock;
	uint64_t head_checksum;
	uint64_t at; /* where the next chunk goes */
	struct packed_chunk *index;
	uint64_t count, room;
	/* As images/manifest.h wants them; 0: not known. */
	uint64_t *sums;
	size_t sum_count;
	/* With how.seen. */
	size_t seen_file;
	struct packed_ref *refs;
	size_t ref_count;
	uint64_t ref_pages;
};

struct pack_hand {
	void *compressor;
	char *out;
	unsigned int raw; /* chunks in a row that did not get smaller */
	struct seen_hand seen;
};

/* What becomes one chunk. */
struct pack_piece {
	char *data;  /* lost when it has been put */
	size_t size; /* PACKED_CHUNK but for the last one */
	uint64_t chunk;
	uint64_t twins;	     /* a bit for each page that is stored elsewhere */
	uint64_t zero_pages; /* so many were found */
};

must_check int packer_begin(struct packer *p, int dir_fd, uint64_t id, struct compression how,
			    struct err *e);
/*
 * What is to be stored of a piece, without a place yet, and where it lies until the hand is used again. codec: NULL to
 * leave zero pages out and do no more.
 */
const char *pack_piece(const struct codec *codec, struct pack_hand *h, struct pack_piece *piece,
		       struct packed_chunk *ret);
must_check int packer_put(struct packer *p, struct pack_hand *h, struct pack_piece *piece,
			  struct err *e);
/* Finds the pages of a piece that are stored already, and notes the references. pack_refs.c */
must_check int packer_find_twins(struct packer *p, struct pack_hand *h, struct pack_piece *piece,
				 struct err *e);
/* In the order and the form in which they are written. */
void packer_sort_refs(struct packer *p);
/* Writes index and tail; bytes: what all chunks have together. */
must_check int packer_finish(struct packer *p, uint64_t bytes, struct err *e);
void packer_drop(struct packer *p);
must_check int pack_hand_begin(struct pack_hand *h, const struct compression *how, struct err *e);
void pack_hand_end(struct pack_hand *h, const struct compression *how);

#endif
