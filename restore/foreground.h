/* The terminal of a shell job, handed on and taken back as shells do. */
#ifndef STASIS_RESTORE_FOREGROUND_H
#define STASIS_RESTORE_FOREGROUND_H

#include "restore/restore.h"

/* The group that had the terminal when it was saved has it again, if it is ours to give. */
must_check int foreground_give(const struct restore *r, struct err *e);
/* Takes it back, after all. */
void foreground_take(const struct restore *r);
/* Stays the parent of the restored tasks until the last one is gone; a shell job that stops takes us along. */
void foreground_stay(const struct options *opt);

#endif
