/* A long job as a list of named steps; see steps.h. */
#include "lib/steps.h"

#include <stdbool.h>
#include <string.h>

#include "lib/io.h"
#include "lib/log.h"

static int run_one(const struct step *s, void *job, const char *inject_fault, struct err *e)
{
	bool fault = inject_fault && strcmp(inject_fault, s->name) == 0;
	uint64_t start = io_now_us();
	int r;

	if (fault && s->final)
		return err_say(e, "a fault was asked for before the step '%s'", s->name);
	r = s->run(job, e);
	log_debug("step '%s': %s, %llu us", s->name, r < 0 ? "failed" : "done",
		  (unsigned long long)(io_now_us() - start));
	if (r == 0 && fault)
		r = err_say(e, "a fault was asked for after the step '%s'", s->name);
	return r;
}

static int check_fault(const struct step *steps, size_t count, const char *inject_fault,
		       struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(steps[i].name, inject_fault) == 0)
			return 0;
	return err_say(e, "there is no step '%s' to fail after", inject_fault);
}

int steps_run(const struct step *steps, size_t count, void *job, const char *inject_fault,
	      struct err *e)
{
	size_t i;
	int r = 0;

	if (inject_fault && check_fault(steps, count, inject_fault, e) < 0)
		return e->code;
	for (i = 0; i < count && r == 0; i++) {
		*e = (struct err){ 0 }; /* what the one before has got over */
		r = run_one(&steps[i], job, inject_fault, e);
	}
	while (i-- > 0)
		if (steps[i].undo && (r < 0 || steps[i].always))
			steps[i].undo(job);
	return r;
}
