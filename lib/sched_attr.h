/* struct sched_attr of sched_setattr(2), which the C library's headers do not have. */
#ifndef STASIS_LIB_SCHED_ATTR_H
#define STASIS_LIB_SCHED_ATTR_H

#include <stdint.h>

#define SCHED_ATTR_RESET_ON_FORK 1

struct sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;			    /* SCHED_OTHER, SCHED_BATCH */
	uint32_t priority;		    /* SCHED_FIFO, SCHED_RR */
	uint64_t runtime, deadline, period; /* SCHED_DEADLINE */
};

#endif
