/* Which capabilities we have. Only caps.c knows libcap. */
#ifndef STASIS_LIB_CAPS_H
#define STASIS_LIB_CAPS_H

#include <stdbool.h>

#include "lib/err.h"

/* True if the capability (CAP_... of linux/capability.h) is effective in this process. */
bool caps_have(int cap);
/* "CAP_SYS_RESOURCE", for sentences; into buf. */
const char *caps_name(int cap, char *buf, unsigned long size);
/* Gives all of this process's capabilities up. 0 or -1. */
must_check int caps_drop_all(void);
/*
 * Whether we may dump and restore at all: root with CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
 * -EPERM with a sentence if not.
 */
must_check int caps_privileged(struct err *e);

#endif
