/*
 * Work that is done by a second thread, in order, while the first goes on. What the jobs use must not change until
 * background_finish() has come back.
 */
#ifndef STASIS_LIB_BACKGROUND_H
#define STASIS_LIB_BACKGROUND_H

#include "lib/err.h"

struct background;

/* NULL when no thread can be had; everything below then does the work at once. */
struct background *background_start(void);
/* The first error of a job is kept, and those behind it are left out. */
must_check int background_add(struct background *b, int (*job)(void *arg, struct err *e), void *arg,
			      struct err *e);
/* Waits for all jobs and frees b. NULL is fine. */
must_check int background_finish(struct background *b, struct err *e);

#endif
