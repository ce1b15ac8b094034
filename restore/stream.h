/*
 * A restore from a stream (--stream). The images come first and are put into a folder in memory; pages come when
 * everything is mapped, and are put into place as they come. The page maps are there, so is a pages-N.img of the right
 * size for each, with the few pages in it that are needed before (dump/stream.h).
 */
#ifndef STASIS_RESTORE_STREAM_H
#define STASIS_RESTORE_STREAM_H

#include "restore/restore.h"

/* Pages that go to one place. */
struct stream_place {
	uint32_t pages_id;
	uint64_t offset, bytes; /* in the pages file */
	bool fresh;		/* what is there is zero */
	bool inherited; /* a page may be there already, as the parent has it: then it stays shared */
	pid_t pid; /* into the memory of this task, at 'to'; 0: into fd, or at a pointer of ours */
	int fd;	   /* at this offset; -1: neither */
	uint64_t to;
};

/* The images, if they come from a stream: sets r->stream, and fills the folder. */
must_check int rstream_begin(struct restore *r, struct err *e);
void rstream_close(struct restore *r);

must_check int rstream_place(struct restore *r, const struct stream_place *p, struct err *e);
/* What has to stay until all is in place. */
struct kept_object {
	int fd;
	void *map; /* unmapped then; NULL: none */
	uint64_t size;
};
/* The descriptor is duplicated, into *ret_fd. */
must_check int rstream_keep(struct restore *r, const struct kept_object *o, int *ret_fd,
			    struct err *e);
/*
 * Whether tasks are born in the order in which their pages come: then each gets its memory before its children are
 * born, and these can inherit it. Otherwise all are born first.
 */
bool rstream_in_order(const struct restore *r);
struct stored_pages;
/* Puts the pages of one task into place, which have to come next. */
must_check int rstream_run_task(struct restore *r, const struct stored_pages *pages, struct err *e);
/* All that come, up to the end mark. */
must_check int rstream_run(struct restore *r, struct err *e);

#endif
