/* Offsets of time namespaces: /proc/PID/timens_offsets. They count from the clocks of the machine. */
#ifndef STASIS_LIB_TIMENS_H
#define STASIS_LIB_TIMENS_H

#include <time.h>

#include "lib/err.h"

struct timens {
	struct timespec monotonic, boottime; /* 0 <= tv_nsec, and tv_sec may be negative */
};

/* Of the namespace that children of a process will live in; zeros where the kernel has no such namespaces. proc_fd: /proc/PID. */
must_check int timens_read(int proc_fd, struct timens *ret, struct err *e);
/* The clocks as we see them. */
void timens_clocks(struct timens *ret);
/* a + b, a - b, each clock by itself. */
void timens_add(struct timens *a, const struct timens *b);
void timens_subtract(struct timens *a, const struct timens *b);
/* A new time namespace with these offsets; ret_fd is what holds it. */
must_check int timens_make(const struct timens *offsets, int user_fd, int *ret_fd, struct err *e);

#endif
