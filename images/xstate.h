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

struct xstate_part {
	int number; /* bit of XCR0 */
	uint32_t offset, size;
	bool dynamic; /* a thread gets room for it by touching it first (AMX tiles) */
};

/* Component number (2 to 62) as this processor and kernel have it; false if they do not, or if it is the kernel's. */
bool xstate_find(int number, struct xstate_part *ret);

/* Fills ret->fpregs; the messages live in the pool. */
void xstate_to_image(struct pool *pool, const void *buf, size_t size, ThreadInfoX86 *ret);
/*
 * Adds to ret->xstate the components in use that CRIU's message has no field for (nearly always none). Refuses those
 * that could not be put back.
 */
must_check int xstate_rest_to_image(struct pool *pool, const void *buf, size_t size,
				    ExtraEntry *ret, struct err *e);

/*
 * Turns buf, as PTRACE_GETREGSET gave it, into what the messages say. Components that this processor lacks must not
 * have been in use. extra may be NULL.
 */
must_check int xstate_from_image(const UserX86FpregsEntry *fp, const ExtraEntry *extra, void *buf,
				 size_t size, struct err *e);
/* Whether that is going to work, asked while nothing has been made yet. */
must_check int xstate_check(const UserX86FpregsEntry *fp, const ExtraEntry *extra, struct err *e);

#endif
