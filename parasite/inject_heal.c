/* The guardian's way of taking the runner out; see inject.h. */
#include "parasite/inject.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/ptrace.h"
#include "parasite/site.h"

static bool is_ours(const struct injection *i, uint64_t rip)
{
	return rip - i->site < 8 || rip - i->arena_at < i->arena_size;
}

/*
 * Seizes and stops a thread that runs without a tracer. Signals that come first are delivered. One that is not in our
 * code has its own registers: still, or again. Then only its mask may be missing, and it no longer counts as changed.
 */
static int take_again(const struct injection *i, struct inject_thread *t, struct err *e)
{
	struct user_regs_struct now = { 0 };
	struct stop s;
	uint64_t mask;

	if (tracee_seize(t->tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP, e) < 0 &&
	    tracee_seize(t->tid, PTRACE_O_TRACESYSGOOD, e) < 0)
		return e->code;
	if (tracee_interrupt(t->tid, e) < 0 || tracee_settle(t->tid, &s, e) < 0 ||
	    tracee_get_regs(t->tid, &now, e) < 0 || tracee_get_mask(t->tid, &mask, e) < 0)
		return e->code;
	if (is_ours(i, now.rip))
		return 0;
	t->changed = false;
	return mask == ALL_BLOCKED ? tracee_set_mask(t->tid, t->mask, e) : 0;
}

/* The link is there for a mapping of exactly this extent. */
static bool is_mapped(const struct injection *i, uint64_t size)
{
	char path[96], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", i->pid,
		 (unsigned long)i->arena_at, (unsigned long)(i->arena_at + size));
	n = readlink(path, link, sizeof(link));
	return n > 0 && strncmp(link, "/dev/zero", 9) == 0;
}

/* Others may have run since, and mapped what they like: a mapping in that place is ours only if it looks it. */
static bool arena_is_there(const struct injection *i)
{
	return is_mapped(i, i->arena_size) || is_mapped(i, ARENA_CODE_SIZE);
}

void inject_heal(struct injection *i)
{
	struct err e = { 0 };
	char text[2048];

	if (!i->live)
		return;
	i->arena.here = NULL; /* the dead one's */
	for (uint32_t k = 0; k < i->thread_count; k++) {
		struct inject_thread *t = &i->threads[k];

		if (t->changed && take_again(i, t, &e) < 0) {
			log_error("%s", err_text(&e, text, sizeof(text)));
			t->changed = false;
		}
	}
	/* The leader is in our code from before the arena is mapped until after it is unmapped. */
	i->arena_tried = i->threads[0].changed && arena_is_there(i);
	i->parked = false;
	if (inject_close(&i, 1, &e) < 0)
		log_error("%s", err_text(&e, text, sizeof(text)));
	for (uint32_t k = 0; k < i->thread_count; k++)
		tracee_detach(i->threads[k].tid, 0);
}
