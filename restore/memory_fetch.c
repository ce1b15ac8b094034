/*
 * Descriptors of ours that a plan needs in a task, fetched once and closed at the end of the plan, or when there
 * are many: a task with thousands of objects would come to its limit.
 */
#include <stdlib.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "restore/memory.h"

enum { FETCHED_MAX = 256 };

struct fetched {
	const struct plan *plan; /* whose descriptors these are */
	size_t count;
	struct {
		int fd, entry;
	} at[FETCHED_MAX];
};

static struct fetched *of_plan(struct restore *r, const struct plan *p)
{
	if (!r->fetched)
		r->fetched = calloc(1, sizeof(*r->fetched));
	if (r->fetched && r->fetched->plan != p) {
		r->fetched->plan = p;
		r->fetched->count = 0;
	}
	return r->fetched;
}

static void close_all(struct fetched *f, struct plan *p)
{
	for (size_t i = 0; i < f->count; i++)
		plan_call(p, "close a fetched descriptor", SYS_close, RESULT(f->at[i].entry));
	f->count = 0;
}

struct plan_arg memory_fetch(struct rtask *t, int our_fd, struct plan *p)
{
	struct fetched *f = of_plan(t->restore, p);
	int entry;

	/* The newest first: neighbours in memory tend to come from the same file. */
	for (size_t i = f ? f->count : 0; i-- > 0;)
		if (f->at[i].fd == our_fd)
			return RESULT(f->at[i].entry);
	if (f && f->count == FETCHED_MAX)
		close_all(f, p);
	entry = plan_call(p, "fetch a descriptor", SYS_pidfd_getfd, ARG(t->helper_fd), ARG(our_fd),
			  ARG(0));
	if (!f) {
		p->full = true; /* plan_check refuses it */
		return RESULT(entry);
	}
	f->at[f->count].fd = our_fd;
	f->at[f->count++].entry = entry;
	return RESULT(entry);
}

void memory_forget(struct rtask *t, struct plan *p)
{
	struct fetched *f = of_plan(t->restore, p);

	if (!f)
		return;
	close_all(f, p);
	f->plan = NULL;
}
