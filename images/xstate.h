/*
 * Extended processor state (x87, SSE, AVX, AVX-512, protection keys...) between the kernel's form, NT_X86_XSTATE in
 * standard layout, and CRIU's messages. Where a component lies is the processor's business: CPUID leaf 0xD says.
 */
#ifndef STASIS_IMAGES_XSTATE_H
#define STASIS_IMAGES_XSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/task/core_x86.pb-c.h"
#include "images/task/extra.pb-c.h"
#include "lib/err.h"
#include "lib/pool.h"

/* A component as this processor and kernel have it. */
struct xstate_part {
	uint32_t offset, size; /* size 0: they do not have it, or it is the kernel's own */
	bool dynamic;	       /* a thread gets room for it by touching it first (AMX tiles) */
};

enum { XSTATE_COMPONENTS = 63 }; /* by their bit in XCR0; 0 and 1 are the legacy area */

struct xstate_layout {
	struct xstate_part part[XSTATE_COMPONENTS];
	size_t size; /* of all that is switched on */
};

/* Asks the processor; once, since under a hypervisor each question takes microseconds. */
void xstate_layout_read(struct xstate_layout *ret);

/* The state of one thread. */
struct xstate {
	const struct xstate_layout *layout;
	void *data;
	size_t size;
};

/* Fills ret->fpregs; the messages live in the pool. */
void xstate_to_image(struct pool *pool, const struct xstate *x, ThreadInfoX86 *ret);
/*
 * Adds to ret->xstate the components in use that CRIU's message has no field for (nearly always none). Refuses those
 * that could not be put back.
 */
must_check int xstate_rest_to_image(struct pool *pool, const struct xstate *x, ExtraEntry *ret,
				    struct err *e);

/*
 * Turns x, as PTRACE_GETREGSET gave it, into what the messages say. Components that this processor lacks must not have
 * been in use. extra may be NULL.
 */
must_check int xstate_from_image(const UserX86FpregsEntry *fp, const ExtraEntry *extra,
				 const struct xstate *x, struct err *e);
/* A state as a new thread has it, for trying whether that is going to work; own data, to be freed. */
must_check int xstate_scratch(const struct xstate_layout *layout, struct xstate *ret,
			      struct err *e);

#endif
