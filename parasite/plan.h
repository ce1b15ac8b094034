/*
 * Plans, and the memory they lie in.
 *
 * An arena is memory that we and one or several targets have mapped; the runner's code is its first
 * page. A plan is built in place in an arena: entries with the words that say what each does, and data
 * for arguments that are pointers. Nothing here talks to a process; parasite/inject.h runs plans in processes that live.
 */
#ifndef STASIS_PARASITE_PLAN_H
#define STASIS_PARASITE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/own.h"
#include "lib/pool.h"
#include "parasite/wire.h"

enum {
	ARENA_CODE_SIZE = 4096,
	ARENA_SYSCALL_AT =
		4096 - 16, /* in the code page: "syscall; int3", for calls made by hand */
	ARENA_LOOP_AT = 4096 - 8, /* "jmp .", where a thread may stay for ever */
	ARENA_OWNER_AT = 4096 - 128, /* room for a robust mutex, see parasite/inject.c */
	PLAN_STACK_SIZE = 512,
};

struct arena {
	char *here;  /* our mapping */
	tptr there;  /* where the targets have it */
	size_t size; /* bytes, whole pages */
	size_t used; /* bump pointer; plans lie one behind the other */
};

/* Copies the runner to the start of a fresh arena whose here, there and size are set. */
void arena_init(struct arena *a);
tptr arena_there(const struct arena *a, const void *here);
/* size bytes, aligned to 16 and not cleared, or NULL when the arena is full. */
void *arena_alloc(struct arena *a, size_t size);

struct plan {
	struct arena *arena;
	struct plan_wire *wire; /* in the arena */
	uint32_t room;		/* entries that fit */
	const char **words;	/* by entry: what it does; the strings live as long as the plan */
	struct pool scratch;	/* what did not fit into the arena */
	bool full;		/* the arena or the room was too small: plan_check() reports it */
	tptr stack;		/* top of the runner's stack */
};

/* One argument of an entry. Built by the macros below, or given as plain numbers to plan_call. */
struct plan_arg {
	bool is_result;
	uint64_t value;
};
#define ARG(x) ((struct plan_arg){ false, (uint64_t)(x) })
/* The result of the entry with this number (what plan_call returned). */
#define RESULT(entry) ((struct plan_arg){ true, (uint64_t)(entry) })

/* A plan with room for that many entries. */
must_check int plan_begin(struct plan *p, struct arena *a, uint32_t room, struct err *e);
/* Frees what is ours; the arena's memory comes back with arena->used. */
void plan_end(struct plan *p);

/*
 * Adds an entry and returns its number. Arguments are struct plan_arg: plan_call(p, "open the file",
 * SYS_openat, ARG(AT_FDCWD), DATA(p, path), ARG(O_RDONLY)). Missing ones are zero.
 */
#define plan_call(p, words, nr, ...) \
	plan_add(p, words, nr, 0, (const struct plan_arg[PLAN_ARGS]){ __VA_ARGS__ })
/* The same for an entry whose failure does not end the plan. */
#define plan_try(p, words, nr, ...) \
	plan_add(p, words, nr, PLAN_MAY_FAIL, (const struct plan_arg[PLAN_ARGS]){ __VA_ARGS__ })
int plan_add(struct plan *p, const char *words, long nr, unsigned int flags,
	     const struct plan_arg *args);

/*
 * size zeroed bytes that the entries can point to, filled by the caller before the plan runs and
 * valid until the arena is reset. Never NULL: a full arena gives scratch memory and sets p->full.
 */
void *plan_data(struct plan *p, size_t size);
/* A copy of size bytes in the plan's data. */
void *plan_copy(struct plan *p, const void *from, size_t size);
/* A formatted string kept by the plan, for words that are made up. */
const char *plan_words(struct plan *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The argument that points to plan data. */
#define DATA(p, here) ARG(arena_there((p)->arena, (here)).at)

/* An error if the plan did not fit. Called by whoever runs it. */
must_check int plan_check(const struct plan *p, struct err *e);
/* What entry number gave; valid after the plan has run. */
long plan_result(const struct plan *p, int entry);
/* The outcome of a plan that has run: 0, or the error of the entry that failed, named by its words. */
must_check int plan_outcome(const struct plan *p, struct err *e);
/* For restore --dry-run: one line an entry. */
void plan_print(const struct plan *p, FILE *out);

#endif
