/* Options of sockets that only we keep; see dump/sk_more.h. */
#ifndef STASIS_RESTORE_SK_MORE_H
#define STASIS_RESTORE_SK_MORE_H

#include "restore/files.h"

/* Sets those of file id, behind sk_opts_set(). */
must_check int sk_more_set(const struct restore *r, uint32_t id, int fd, struct err *e);
/* The value of one; usual when it was not kept. */
int sk_more_value(const struct restore *r, uint32_t id, int level, int name, int usual);

#endif
