/* Options of SOL_SOCKET at restore. */
#ifndef STASIS_RESTORE_SK_OPTS_H
#define STASIS_RESTORE_SK_OPTS_H

#include <sys/socket.h>

#include "images/fd/sk_opts.pb-c.h"
#include "lib/err.h"

/* All of a message, once the socket has its peer and its data. What is as it has to be is not touched. */
must_check int sk_opts_set(int fd, const SkOptsEntry *opts, struct err *e);
/* One whose value is a number. */
must_check int sk_opts_set_number(int fd, int option, int value, struct err *e);
/* The interface that it is bound to; also before it gets an address, which may be one of that interface only. */
must_check int sk_opts_set_device(int fd, const SkOptsEntry *opts, struct err *e);
/* Room for whatever is to be put into a socket; sk_opts_set() brings it back to what it was. */
void sk_opts_make_room(int fd);

#endif
