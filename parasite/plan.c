/* Plans and arenas; see plan.h. */
#include "parasite/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

extern const char runner_blob_start[], runner_blob_end[];

void arena_init(struct arena *a)
{
	memcpy(a->here, runner_blob_start, runner_blob_end - runner_blob_start);
	memcpy(a->here + ARENA_SYSCALL_AT, "\x0f\x05\xcc", 3);
	memcpy(a->here + ARENA_LOOP_AT, "\xeb\xfe", 2);
	a->used = ARENA_CODE_SIZE;
}

tptr arena_there(const struct arena *a, const void *here)
{
	return TPTR(a->there.at + ((const char *)here - a->here));
}

void *arena_alloc(struct arena *a, size_t size)
{
	void *p = a->here + a->used;

	size = (size + 15) & ~15UL;
	if (size > a->size - a->used)
		return NULL;
	a->used += size;
	return p;
}

int plan_begin(struct plan *p, struct arena *a, uint32_t room, struct err *e)
{
	char *stack;

	memset(p, 0, sizeof(*p));
	p->arena = a;
	p->room = room;
	p->words = calloc(room + 1, sizeof(*p->words));
	p->wire = arena_alloc(a, sizeof(*p->wire) + room * sizeof(struct plan_entry));
	stack = arena_alloc(a, PLAN_STACK_SIZE);
	if (!p->words || !p->wire || !stack) {
		free(p->words);
		memset(p, 0, sizeof(*p));
		return err_code(e, ENOMEM, "no room for a plan of %u calls", room);
	}
	memset(p->wire, 0, sizeof(*p->wire));
	/* The ABI wants the stack 8 off a multiple of 16 at a function's entry. */
	p->stack = TPTR(arena_there(a, stack + PLAN_STACK_SIZE).at - 8);
	return 0;
}

void plan_end(struct plan *p)
{
	free(p->words);
	pool_free(&p->scratch);
	memset(p, 0, sizeof(*p));
}

int plan_add(struct plan *p, const char *words, long nr, unsigned int flags,
	     const struct plan_arg *args)
{
	uint32_t n = p->wire->count;
	struct plan_entry *c = &p->wire->entry[n];

	if (n == p->room) {
		p->full = true;
		return 0;
	}
	*c = (struct plan_entry){ .nr = nr, .flags = flags };
	for (int i = 0; i < PLAN_ARGS; i++) {
		c->arg[i] = args[i].value;
		if (args[i].is_result)
			c->from_result |= 1 << i;
	}
	p->words[n] = words;
	p->wire->count = n + 1;
	return n;
}

void *plan_data(struct plan *p, size_t size)
{
	void *d = arena_alloc(p->arena, size);

	if (d)
		return memset(d, 0, size);
	/* The plan will be refused by plan_check; until then the caller may write. */
	p->full = true;
	return pool_alloc(&p->scratch, size);
}

void *plan_copy(struct plan *p, const void *from, size_t size)
{
	void *d = plan_data(p, size);

	return d ? memcpy(d, from, size) : NULL;
}

const char *plan_words(struct plan *p, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return plan_copy(p, buf, strlen(buf) + 1);
}

int plan_check(const struct plan *p, struct err *e)
{
	if (p->full)
		return err_code(e, ENOMEM, "the plan does not fit into %zu bytes (%u calls)",
				p->arena->size, p->room);
	return 0;
}

long plan_result(const struct plan *p, int entry)
{
	return p->wire->entry[entry].result;
}

static bool failed(const struct plan_entry *c)
{
	return (uint64_t)c->result > -4096UL && !(c->flags & PLAN_MAY_FAIL);
}

int plan_outcome(const struct plan *p, struct err *e)
{
	const struct plan_wire *w = p->wire;

	if (w->ran > 0 && failed(&w->entry[w->ran - 1]))
		return err_res(e, w->entry[w->ran - 1].result, "%s", p->words[w->ran - 1]);
	if (w->ran < w->count)
		return err_say(e, "the plan stopped before '%s'", p->words[w->ran]);
	return 0;
}

void plan_print(const struct plan *p, FILE *out)
{
	for (uint32_t i = 0; i < p->wire->count; i++) {
		const struct plan_entry *c = &p->wire->entry[i];

		fprintf(out, "  %4u  %s: syscall %d(", i, p->words[i], c->nr);
		for (int k = 0; k < PLAN_ARGS; k++)
			fprintf(out, c->from_result >> k & 1 ? "%sresult %#lx" : "%s%#lx",
				k ? ", " : "", (unsigned long)c->arg[k]);
		fprintf(out, ")%s\n", c->flags & PLAN_MAY_FAIL ? " may fail" : "");
	}
}
