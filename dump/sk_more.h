/* Options of sockets that CRIU's messages have no field for: kept beside, when they are not what a new socket has. */
#ifndef STASIS_DUMP_SK_MORE_H
#define STASIS_DUMP_SK_MORE_H

#include "dump/files.h"

struct sk_more {
	int level, name, usual;
};

/* Those of SOL_SOCKET that any socket may have. */
extern const struct sk_more sk_more_any[];
extern const size_t sk_more_any_count;

/* Asks a copy of the descriptor (f->fd). What this kernel does not know cannot have been set. */
void sk_more_read(struct file *f, const struct sk_more *rows, size_t count);
/* Refuses a socket of another network namespace than ours. */
must_check int sk_more_check_ns(const struct file *f, struct err *e);
/* Keeps one, whatever its value. */
void sk_more_add(struct file *f, int level, int name, int value);

#endif
