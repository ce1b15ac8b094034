/*
 * Where the contents of pages go: into pages-N.img as they are, or compressed into stasis-pages-N.img (packed.h).
 * Pages that are all zero are stored in neither: pages-N.img has holes in their place, so that everybody else reads
 * zeros there. Or into a stream (stream.h), as frames of pages-N.img, which is nowhere then but in page maps. Or to a page
 * server (page_outlet.h).
 */
#ifndef STASIS_IMAGES_PAGE_SINK_H
#define STASIS_IMAGES_PAGE_SINK_H

#include "images/packed.h"
#include "images/page_outlet.h"

struct stream_out;

struct page_sink {
	bool open;
	int fd;		       /* of pages-N.img; -1: compressed */
	struct packer *packer; /* NULL: as they are, and as often as they come */
	struct stream_out *stream;
	uint32_t stream_id;
	struct page_remote *remote; /* NULL: into files */
	uint64_t remote_bytes;	    /* that are going to be put there */
	struct compression how; /* of a stream */
	bool later; /* pages come some other way: there is but a file of the right size */
	uint64_t *
		sums; /* of pages-N.img, as images/manifest.h wants them, if all went through page_pump() */
	bool some_sums; /* as manifest_take_some() wants them, then */
	/* Counted while pages are put. */
	uint64_t taken, zero_pages;
	uint64_t twin_pages; /* stored elsewhere; known when it is finished */
};

/* Something that is known of pages in a row, a bit for each. */
enum { PAGE_VIEW = 512 };
struct page_view {
	uint64_t start, end; /* addresses */
	uint64_t bits[PAGE_VIEW / 64];
};

/* So much is copied at once. */
struct page_piece {
	uint64_t at; /* a multiple of page_sink_piece() */
	size_t size;
	uint64_t next; /* the same thread goes on with what follows, up to here */
	/* For the source: what one thread remembers from one piece to the next. Zeroed when another source is begun. */
	size_t place;
	struct unpacker *unpacker;
	struct page_view view;
};

/* What one thread puts pages with. */
struct page_hand {
	struct pack_hand pack;
};

/* Creates the file, and removes the other one of the two that an earlier dump may have left. */
must_check int page_sink_begin(struct page_sink *s, int dir_fd, uint64_t id, struct compression how,
			       struct err *e);
/* Into a stream, which has to outlive the sink. */
void page_sink_to_stream(struct page_sink *s, struct stream_out *stream, uint32_t id,
			 struct compression how);
/* To a page server: all that is going to be put there is known. */
must_check int page_sink_to_outlet(struct page_sink *s, struct page_outlet *o, enum image_kind kind,
				   uint64_t id, struct err *e);
/* How many bytes are put at once, at a multiple of that; only the last ones may be fewer. */
size_t page_sink_piece(const struct page_sink *s);
/* How many threads can put pages at once, to some purpose. */
unsigned int page_sink_most(const struct page_sink *s);
/* How many threads pay for so much in so many files. */
unsigned int page_sink_threads(const struct page_sink *s, uint64_t bytes, uint64_t files);

must_check int page_hand_begin(struct page_hand *h, const struct page_sink *s, struct err *e);
void page_hand_end(struct page_hand *h, const struct page_sink *s);
/* From any thread, in any order. What was in data is lost. */
must_check int page_sink_put(struct page_sink *s, struct page_hand *h, struct page_piece *p,
			     char *data, struct err *e);
/* All has been put, so many bytes; otherwise an error that says so of 'name'. The descriptor stays open. */
must_check int page_sink_finish(struct page_sink *s, uint64_t bytes, const char *name,
				struct err *e);
/* Lets go of a sink, finished or not; a zeroed one is fine. */
void page_sink_drop(struct page_sink *s);

/* Where pages come from. */
struct page_source {
	int (*read)(const struct page_source *s, struct page_piece *p, char *buf, struct err *e);
};

/* Bytes that are to go from the source to the sink. */
struct page_transfer {
	const struct page_source *source;
	uint64_t bytes;
	struct page_sink *sink; /* all that are copied together store pages the same way */
};

/*
 * Copies, in several threads if that pays: each takes a file of its own while there are some, and helps with another one
 * then. ret_failed: the transfer that the error is about.
 */
must_check int page_pump_all(const struct page_transfer *all, size_t count, size_t *ret_failed,
			     struct err *e);
/* The same for one. */
must_check int page_pump(const struct page_source *s, uint64_t bytes, struct page_sink *sink,
			 struct err *e);

#endif
