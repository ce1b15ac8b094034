/* A long job as a list of named steps; see steps.h. */
#include "lib/steps.h"

#include <string.h>

#include "lib/io.h"
#include "lib/log.h"

static int run_one(const struct step *s, void *job, const char *inject_fault, struct err *e)
{
	uint64_t start = io_now_us();
	int r = s->run(job, e);

	log_debug("step '%s': %s, %llu us", s->name, r < 0 ? "failed" : "done",
		  (unsigned long long)(io_now_us() - start));
	if (r == 0 && inject_fault && strcmp(inject_fault, s->name) == 0)
		r = err_say(e, "a fault was asked for after the step '%s'", s->name);
	return r;
}

int steps_run(const struct step *steps, size_t count, void *job, const char *inject_fault,
	      struct err *e)
{
	size_t i;
	int r = 0;

	for (i = 0; i < count && r == 0; i++)
		r = run_one(&steps[i], job, inject_fault, e);
	while (i-- > 0)
		if (steps[i].undo && (r < 0 || steps[i].always))
			steps[i].undo(job);
	return r;
}
