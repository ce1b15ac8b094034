/* What is to be kept about a thread beyond CRIU's messages: stasis-extra.img, written by dump/task/extra.c. */
#ifndef STASIS_DUMP_EXTRA_H
#define STASIS_DUMP_EXTRA_H

#include "dump/dump.h"
#include "images/task/extra.pb-c.h"

/* The thread's entry, made if there is none yet. */
ExtraEntry *thread_extra(struct thread *th);

#endif
