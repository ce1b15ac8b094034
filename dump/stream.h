/*
 * A dump into a stream (--stream). Images are written into a folder in memory; pages stay where they are until all of
 * that is written and sent, and then go from the tree, which stands still, into the stream. So whoever restores knows
 * where a page belongs when it comes, and neither side has to keep any.
 */
#ifndef STASIS_DUMP_STREAM_H
#define STASIS_DUMP_STREAM_H

#include "dump/memory.h"

struct shmem_contents;

/* What does not go together with a stream, and why. */
must_check int dstream_check_options(const struct options *opt, struct err *e);

/* Opens it, if there is to be one: sets d->stream. */
must_check int dstream_begin(struct dump *d, struct err *e);
void dstream_close(struct dump *d);

/* Pages that are to be sent when their turn comes. */
struct page_list {
	struct page_run **runs; /* taken over */
	size_t count;
	struct pagemap_writer *w; /* of their page map, which is finished here */
};
/* Those of a task. */
must_check int dstream_task(struct dump *d, int pid, const struct page_list *l, struct err *e);
/* Those of a shared object. */
must_check int dstream_object(struct dump *d, const struct shmem_contents *c,
			      const struct page_list *l, struct err *e);

/* A round of pre-copy whose pages go into the stream as they are read: begins it, and sends its other files. */
must_check int dstream_round_begin(struct dump *d, unsigned round, struct err *e);
must_check int dstream_round_end(struct dump *d, int dir_fd, struct err *e);
/* Pages of a round go there instead of into the file of w, which is finished next: those of a task, or an object's. */
must_check int dstream_round_copy(struct dump *d, const struct page_copy *what,
				  struct pagemap_writer *w, struct err *e);
must_check int dstream_round_pump(struct dump *d, const struct page_source *from,
				  struct pagemap_writer *w, struct err *e);

/* Sends all but the end mark; does nothing without a stream. */
must_check int dstream_send(struct dump *d, struct err *e);
must_check int dstream_end(struct dump *d, struct err *e);

#endif
