/*
 * A set of images as one stream of bytes, for a pipe or a socket: docs/stream.md has the format.
 *
 * First all files but the contents of pages, then these, then the end mark. Each frame has a checksum that goes on
 * from that of the frame before, so a frame that is damaged, missing, there twice or at another place is noticed at once,
 * and a stream without its end mark is not whole.
 */
#ifndef STASIS_IMAGES_STREAM_H
#define STASIS_IMAGES_STREAM_H

#include <pthread.h>

#include "images/packed.h"

#define STREAM_MAGIC "stasis\r\n"
enum { STREAM_VERSION = 1, STREAM_PIECE = PACKED_CHUNK };

enum stream_kind {
	STREAM_FILE = 1, /* a file begins; behind it: its name */
	STREAM_DATA,	 /* behind it: what the file has from 'at' on */
	STREAM_CLOSE,	 /* the file is complete and has 'at' bytes; zeros are where no data was */
	STREAM_FOLDER,	 /* that were all files, 'at' of them */
	STREAM_PAGES,	 /* the pages of pages-ID.img from 'at' on */
	STREAM_END,	 /* that was all: 'at' frames before this one */
	STREAM_ROUND,	 /* what comes up to STREAM_FOLDER belongs to round 'at' of a tree that still runs */
};

/* All numbers are little endian. */
struct stream_head {
	char magic[8];
	uint32_t version, piece;
};

struct stream_frame {
	uint32_t kind;
	uint32_t size; /* of what is behind it */
	uint64_t at;
	/* STREAM_PAGES: so many bytes, of which only pages with a bit in present are stored, all others being zero. */
	uint64_t present;
	uint32_t id, bytes;
	char codec[8]; /* "zstd", "lz4"; empty: as they are */
	uint64_t data_sum;
	uint64_t
		sum; /* of all before, with that of the frame before (or of the head) as its seed */
};

/* --- writing ------------------------------------------------------------------------------------ */

enum stream_way { STREAM_TO_FILE, STREAM_TO_PIPE, STREAM_TO_SOCKET };

/* Any number of threads may write frames. */
struct stream_out {
	int fd; /* of our own */
	enum stream_way way;
	pthread_mutex_t lock;
	uint64_t sum, frames;
	bool failed;	       /* it was the stream that failed, and not what goes into it */
	unsigned int patience; /* seconds that nobody reads before that is an error; 0: for ever */
	uint64_t *sent;	       /* bytes are counted here; may be NULL */
	uint64_t bandwidth;    /* bytes a second; 0: as fast as it goes */
	uint64_t slot_us;      /* when the next bytes may go out, with a bandwidth */
	/* Asked while the reader is waited for; may be NULL. */
	int (*go_on)(void *arg, struct err *e);
	void *arg;
};

/* Whether that can be written to; nothing is written yet. The descriptor stays the caller's. */
must_check int stream_out_begin(struct stream_out *s, int fd, struct err *e);
void stream_out_drop(struct stream_out *s);
must_check int stream_head_write(struct stream_out *s, struct err *e);
/* Fills the sums of f. */
must_check int stream_write(struct stream_out *s, struct stream_frame *f, const void *data,
			    struct err *e);
/* All files of a folder; of those that have holes only the data. */
must_check int stream_write_folder(struct stream_out *s, int dir_fd, struct err *e);
/* The end mark; then waits until all has been taken out of the pipe. */
must_check int stream_write_end(struct stream_out *s, struct err *e);

/* --- reading ------------------------------------------------------------------------------------ */

struct stream_in {
	int fd; /* the caller's */
	uint64_t sum, frames, position;
	struct stream_frame f; /* the newest */
	struct unpacker unpacker;
	char *data; /* what is behind it */
	bool ended;
};

must_check int stream_in_begin(struct stream_in *s, int fd, struct err *e);
void stream_in_drop(struct stream_in *s);
/* The next frame, held against its checksums. Behind the last one nothing is read. */
must_check int stream_next(struct stream_in *s, struct err *e);
/* STREAM_PAGES: its pages into s->unpacker.data. */
must_check int stream_expand(struct stream_in *s, struct err *e);
/* The files into a folder, which is empty: up to STREAM_FOLDER. */
must_check int stream_read_folder(struct stream_in *s, int dir_fd, struct err *e);
/*
 * All that comes up to the end mark, into a folder: its files, pages where they belong in their pages files, and a folder
 * "precopy-N" for each round.
 */
must_check int stream_gather(struct stream_in *s, int dir_fd, struct err *e);
/* One file, which has begun; of one that is there already, as pages files are when their pages came first, the rest. */
must_check int stream_take_file(struct stream_in *s, int dir_fd, struct err *e);
/* A frame of a kind that does not belong here. */
int stream_refuse(const struct stream_in *s, struct err *e);

/* An empty folder in memory, which is gone with its descriptor: a tmpfs that is mounted nowhere. */
must_check int stream_folder(int *ret_fd, struct err *e);

#endif
