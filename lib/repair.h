/*
 * TCP_REPAIR: a connection as a thing that can be looked at, taken away and made again without a packet. Meanwhile nothing else may
 * use it, and it has to be blocked (lib/netlock.h). Turning it off changes SO_REUSEADDR, so that is given back.
 */
#ifndef STASIS_LIB_REPAIR_H
#define STASIS_LIB_REPAIR_H

#include <stdint.h>

#include "lib/err.h"

enum repair_queue { REPAIR_NO_QUEUE, REPAIR_RECEIVED, REPAIR_SENT };

must_check int repair_begin(int fd, struct err *e);
/* Without a word to the other side; does nothing to one that is not being repaired. */
void repair_end(int fd, int reuse);
/* With a probe that makes the other side tell where it is. */
must_check int repair_release(int fd, int reuse, struct err *e);
/* The queue that is read, written or asked about from now on. */
must_check int repair_choose(int fd, enum repair_queue queue, struct err *e);
/* The sequence number of its end. To be set in a socket that is not connected yet. */
must_check int repair_get_seq(int fd, enum repair_queue queue, uint32_t *ret, struct err *e);
must_check int repair_set_seq(int fd, enum repair_queue queue, uint32_t seq, struct err *e);

#endif
