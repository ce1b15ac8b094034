/*
 * A long job as a list of named steps. The driver logs each name, puts it into the error of a step
 * that fails, and then runs the undos of the steps that were done (the failed one included: it may
 * have got half way), last first. So nothing that has to be taken back can be forgotten.
 */
#ifndef STASIS_LIB_STEPS_H
#define STASIS_LIB_STEPS_H

#include <stddef.h>

#include "lib/err.h"

struct step {
	const char *name; /* "stop the threads": also what --inject-fault names */
	int (*run)(void *job, struct err *e);
	/* Takes back what run did, as far as it got. Also run at the end of a job that went well if always is set. */
	void (*undo)(void *job);
	int always;
	int final; /* cannot be taken back, and cannot fail: a fault that is asked for comes before it */
};

/*
 * Runs the steps in turn. inject_fault (may be NULL) names a step after which the job fails as if the step
 * had failed. Returns 0 or the error of the step that failed.
 */
must_check int steps_run(const struct step *steps, size_t count, void *job,
			 const char *inject_fault, struct err *e);

#endif
