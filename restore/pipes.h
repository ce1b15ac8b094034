/* Pipes of a restore, and what was in them; shared by restore/fd/pipe.c and restore/fd/fifo.c. */
#ifndef STASIS_RESTORE_PIPES_H
#define STASIS_RESTORE_PIPES_H

#include "images/fd/pipe.pb-c.h"
#include "images/fd/pipe_packets.pb-c.h"
#include "restore/files_table.h"

struct rpipe {
	bool named;
	uint32_t pipe_id;
	PipeDataEntry *data; /* NULL: nothing is known of what was in it */
	char *bytes;
	PipePacketsEntry *packets; /* NULL: none, and nobody outside */
	int reading, writing; /* our ends; the same descriptor for a named pipe. -1: not made */
	bool reading_given, writing_given; /* now those of a file, which closes them */
};

/* Loads pipes-data.img, fifo-data.img and stasis-pipes.img, the first time. */
must_check int rpipes_load(struct restore *r, struct err *e);
/* The pipe of this number, which a file is an end of. */
struct rpipe *rpipes_get(const struct restore *r, bool named, uint32_t pipe_id);
/* Gives a fresh pipe its size and puts into it what was there. */
must_check int rpipes_fill(struct rpipe *p, struct err *e);
/* Sets what F_SETFL can set, and packet mode, which is noted apart. id: of the file. */
must_check int rpipes_set_flags(const struct rpipe *p, uint32_t id, int fd, uint32_t flags,
				struct err *e);
/* Our own ends are not needed any more. */
void rpipes_close_ends(struct restore *r);
void rpipes_free(struct restore *r);

#endif
