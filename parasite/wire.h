/*
 * What the runner and the host share: the plan as it lies in memory that both have mapped.
 *
 * A plan is a list of system calls. The host writes every argument as the value that the kernel is to
 * see (addresses of the plan's data included, since the host knows where the memory lies in the
 * target), or as the number of an earlier entry whose result it takes.
 */
#ifndef STASIS_PARASITE_WIRE_H
#define STASIS_PARASITE_WIRE_H

#include <stdint.h>

enum { PLAN_ARGS = 6 };

enum plan_entry_flags {
	PLAN_MAY_FAIL = 1, /* go on when this entry fails; its result tells */
};

struct plan_entry {
	int32_t nr;	      /* SYS_... */
	uint16_t flags;	      /* enum plan_entry_flags */
	uint16_t from_result; /* bit i: arg[i] is the number of an entry whose result is meant */
	uint64_t arg[PLAN_ARGS];
	int64_t result; /* what the kernel returned, negative errno on failure */
};

/* How the runner ends a plan. */
enum plan_end {
	PLAN_END_TRAP, /* int3: the tracer, which must be there, sees a SIGTRAP stop */
	PLAN_END_PARK, /* wake plan->done, then wait for ever: safe without a tracer */
};

/*
 * Whoever runs the plan may hold a robust futex; the kernel marks its word when the holder dies, before the tracees of
 * that one are let go. From then on the runner makes no more calls: a filter of the thread may be waiting for them.
 */
enum { PLAN_OWNER_DIED = 0x40000000 };

struct plan_wire {
	uint32_t count; /* entries */
	uint32_t end;	/* enum plan_end */
	uint32_t ran;	/* entries that were made, the failed one included */
	uint32_t done;	/* futex: 1 when the plan has ended */
	uint64_t none;	/* an empty set of signals */
	uint64_t owner; /* address of the word of the robust futex, 0: there is none */
	struct plan_entry entry[];
};

#endif
