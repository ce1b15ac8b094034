/* Pages that a newer folder of a chain has are taken out of the older ones: only their blocks, sizes and maps stay. */
#ifndef STASIS_IMAGES_DEDUP_H
#define STASIS_IMAGES_DEDUP_H

#include "lib/err.h"

/* The folder is the newest of a chain; one without 'parent' is an error. */
must_check int dedup_run(int dir_fd, struct err *e);

#endif
