/* Trees of files as a compressed archive of tar(1), with all that it can hold: owners, holes, links, devices, attributes. */
#ifndef STASIS_LIB_ARCHIVE_H
#define STASIS_LIB_ARCHIVE_H

#include "lib/err.h"

/* All below a directory, which the calling thread goes to: it needs a current directory of its own. */
/* Before one of these is called, in the mount namespace that we were started in: loads the library. */
must_check int archive_prepare(struct err *e);
must_check int archive_save(int dir_fd, int to_fd, struct err *e);
must_check int archive_unpack(int from_fd, int dir_fd, struct err *e);

#endif
