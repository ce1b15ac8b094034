/* What lies in pipes and named pipes, and who holds their ends; shared by dump/fd/pipe.c and dump/fd/fifo.c. */
#ifndef STASIS_DUMP_PIPES_H
#define STASIS_DUMP_PIPES_H

#include "dump/files.h"

extern const struct fd_kind pipe_fd_kind, fifo_fd_kind;

/* Writes pipes-data.img, fifo-data.img and stasis-pipes.img. */
must_check int pipes_save(struct dump *d, struct err *e);

#endif
