/*
 * System calls that take memory away, or that would bring it out of our sight, by their arguments. Such a call waits at
 * its entry until what it would take has been saved; all others pass. userfaultfd tells of an unmapping only
 * afterwards, so there is no other way to come before it.
 */
#ifndef STASIS_DUMP_COW_CALLS_H
#define STASIS_DUMP_COW_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>

#include "lib/ranges.h"

struct cow_call {
	struct __ptrace_syscall_info info; /* at its entry */
	int tid;
	uint64_t heap, heap_end; /* what brk() could take away */
};

/* What has to be saved before the call goes on. */
struct cow_reach {
	bool all;
	size_t count;
	struct range parts[2];
};

struct cow_reach cow_call_reach(const struct cow_call *c);
/* Whether it takes mappings as a whole, which must not be in parts meanwhile: mremap(), or a call that could be it. */
bool cow_call_moves(const struct cow_call *c);
/* Whether it ends the memory of whoever makes it. */
bool cow_call_leaves(const struct cow_call *c);
bool cow_call_makes_threads(const struct cow_call *c);
/* For a call that makes a thread or process: whether clear_child_tid of that is set, and to what. */
bool cow_call_child_tid(const struct cow_call *c, uint64_t *ret);

#endif
