/* Personality of each thread. CRIU's message has its hexadecimal digits, read as if they were decimal. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#include "restore/extra.h"

static uint32_t personality_of(const struct rthread *th)
{
	char digits[16];

	if (th->extra && th->extra->has_personality)
		return th->extra->personality;
	snprintf(digits, sizeof(digits), "%u", th->task->core->tc->personality);
	return strtoul(digits, NULL, 16);
}

static int personality_last(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	if (personality_of(th) == th->task->restore->born.personality)
		return 0;
	plan_call(p, "set the personality", SYS_personality, ARG(personality_of(th)));
	return 0;
}

static int personality_load(struct restore *r, struct err *e)
{
	(void)e;
	r->born.personality = personality(0xffffffff);
	return 0;
}

const struct restore_kind personality_restore_kind = {
	.name = "task/personality",
	.load = personality_load,
	.thread_last = personality_last,
};
