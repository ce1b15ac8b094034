/*
 * What the kernel has told of the mappings, in memory that two processes share: who serves, and who takes over when that one
 * is killed. The kernel writes a message straight into it before it lets the program go on, so none can be lost between
 * being read and being noted. Of faults nothing is kept: whoever takes over wakes everybody, who then fault again.
 */
#ifndef STASIS_LAZY_JOURNAL_H
#define STASIS_LAZY_JOURNAL_H

#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum { JOURNAL_RECORDS = 1 << 14, JOURNAL_CLOSED = 0x40 /* an event of ours: the space is over */ };

struct journal_record {
	uint32_t space, zero;
	struct uffd_msg msg; /* event 0: it is not written yet, and neither is any behind it */
};

struct journal {
	volatile bool over; /* all is done: nobody needs to take over */
	struct journal_record records[JOURNAL_RECORDS];
};

/* NULL: no memory. */
struct journal *journal_new(void);
void journal_drop(struct journal *j);

#endif
