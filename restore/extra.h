/* What a thread has beyond CRIU's messages: stasis-extra.img, read by restore/task/extra.c. */
#ifndef STASIS_RESTORE_EXTRA_H
#define STASIS_RESTORE_EXTRA_H

#include "images/task/extra.pb-c.h"
#include "restore/restore.h"

#endif
