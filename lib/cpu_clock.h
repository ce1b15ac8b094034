/*
 * Clocks that measure processor time. A negative clock id says whose: a pid or tid above three bits of kind, all
 * inverted; 0 is whoever creates the timer. That is how the kernel stores CLOCK_THREAD_CPUTIME_ID as well.
 */
#ifndef STASIS_LIB_CPU_CLOCK_H
#define STASIS_LIB_CPU_CLOCK_H

#include <stdbool.h>
#include <time.h>

/* Does a timer on this clock measure the time of the thread that created it? */
static inline bool clock_of_creator(clockid_t clock)
{
	enum { PER_THREAD = 4, KIND = 3, NO_PROCESSOR_TIME = 3 };

	return clock == CLOCK_THREAD_CPUTIME_ID ||
	       (clock < 0 && ~(clock >> 3) == 0 && clock & PER_THREAD &&
		(clock & KIND) != NO_PROCESSOR_TIME);
}

#endif
