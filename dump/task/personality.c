/*
 * Personality of each thread. CRIU's message has one for the process, and reads the hexadecimal digits as if they were
 * decimal; what does not survive that goes into a message of our own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "dump/extra.h"

#define ASK_ONLY 0xffffffffUL

static int personality_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&th->task->dump->pool, int);

	(void)e;
	*entry = plan_call(p, "ask for the personality", SYS_personality, ARG(ASK_ONLY));
	*note = entry;
	return 0;
}

static uint32_t misread(uint32_t value)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%08x", value);
	return strtoul(digits, NULL, 10);
}

static uint32_t read_back(uint32_t misread)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%u", misread);
	return strtoul(digits, NULL, 16);
}

static int personality_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = th->task->threads[0].core->tc;
	uint32_t value = plan_result(p, *(int *)note);

	(void)e;
	/* The leader comes first. */
	if (th == &th->task->threads[0])
		tc->personality = misread(value);
	if (read_back(tc->personality) != value) {
		thread_extra(th)->has_personality = 1;
		thread_extra(th)->personality = value;
	}
	return 0;
}

const struct task_kind personality_task_kind = {
	.name = "task/personality",
	.thread_ask = personality_ask,
	.thread_save = personality_save,
};
