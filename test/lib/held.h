/*
 * A process held still by ptrace with the runner inside, as a dump does it, for the tests of the injection. What a
 * guardian would keep lies in memory that survives the one who injects.
 */
#ifndef STASIS_TEST_HELD_H
#define STASIS_TEST_HELD_H

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/ptrace.h"
#include "parasite/inject.h"
#include "test/lib/said.h"
#include "test/lib/snapshot.h"

enum { HELD_THREADS = 1024, HELD_XSTATE = 16384, XSTATE_IN_USE = 512 };
#define HELD_ARENA_AT 0x123400000000UL

struct held {
	int pid;
	uint64_t site;
	struct injection *i; /* shared memory; threads behind it */
	void *xstate[HELD_THREADS];
	size_t xstate_size;
};

static inline void *held_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert(p != MAP_FAILED);
	return p;
}

/* A program of the test, ended with the test. */
static inline int held_start(void (*run)(void *arg), void *arg)
{
	int pid = fork();

	assert(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == 1)
		_exit(1);
	run(arg);
	_exit(0);
}

static inline struct held *held_new(int pid)
{
	struct held *h = calloc(1, sizeof(*h));
	char line[256], path[32];
	FILE *maps;

	assert(h);
	h->pid = pid;
	h->i = held_shared(sizeof(struct injection) + HELD_THREADS * sizeof(struct inject_thread));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	assert(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[vdso]"))
			h->site = strtoul(line, NULL, 16) + 8;
	fclose(maps);
	assert(h->site);
	return h;
}

static inline bool held_has(const struct held *h, int tid)
{
	for (size_t k = 0; k < h->i->thread_count; k++)
		if (h->i->threads[k].tid == tid)
			return true;
	return false;
}

static inline size_t held_more(struct held *h)
{
	struct injection *i = h->i;
	struct err e = { 0 };
	struct dirent *d;
	struct stop s;
	size_t fresh = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", h->pid);
	DIR *dir = opendir(path);
	assert(dir);
	while ((d = readdir(dir))) {
		int tid = atoi(d->d_name);

		if (tid <= 0 || held_has(h, tid))
			continue;
		if (tracee_seize(tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP, &e) < 0 ||
		    tracee_interrupt(tid, &e) < 0 || tracee_settle(tid, &s, &e) < 0)
			continue;
		assert(i->thread_count < HELD_THREADS);
		i->threads[i->thread_count++] = (struct inject_thread){ .tid = tid };
		fresh++;
	}
	closedir(dir);
	return fresh;
}

/* Stops all threads and reads what the caller of an injection has to know. */
static inline void held_stop(struct held *h)
{
	memset(h->i, 0, sizeof(*h->i));
	h->i->pid = h->pid;
	h->i->threads = (struct inject_thread *)(h->i + 1);
	while (held_more(h) > 0)
		;
	assert(h->i->thread_count > 0 && h->i->threads[0].tid == h->pid);
	h->i->site = h->site;
	h->i->arena_at = HELD_ARENA_AT;
	h->i->arena_size = (512 << 10) + h->i->thread_count * 8192;
	for (size_t k = 0; k < h->i->thread_count; k++) {
		struct inject_thread *t = &h->i->threads[k];

		MUST(tracee_get_regs(t->tid, &t->regs, e));
		MUST(tracee_get_mask(t->tid, &t->mask, e));
		h->xstate_size = HELD_XSTATE;
		if (!h->xstate[k])
			h->xstate[k] = calloc(1, HELD_XSTATE);
		MUST(tracee_get_xstate(t->tid, h->xstate[k], &h->xstate_size, e));
	}
}

static inline void held_let_go(struct held *h)
{
	for (size_t k = 0; k < h->i->thread_count; k++)
		tracee_detach(h->i->threads[k].tid, 0);
}

/* A plan that every thread has to answer rightly, several at once; batch: how many. */
static inline void held_ask(struct held *h, size_t batch)
{
	struct injection *i = h->i;
	struct inject_plan *runs = calloc(batch, sizeof(*runs));
	size_t used = i->arena.used;

	for (size_t from = 0; from < i->thread_count; from += batch) {
		size_t n = 0;

		for (size_t k = from; k < i->thread_count && n < batch; k++, n++) {
			struct plan *p = &runs[n].plan;

			runs[n].i = i;
			runs[n].which = k;
			MUST(plan_begin(p, &i->arena, 4, e));
			plan_call(p, "its pid", SYS_getpid);
			plan_call(p, "its tid", SYS_gettid);
			plan_try(p, "a failure", SYS_close, ARG(-1));
			plan_call(p, "its tid", SYS_tgkill, RESULT(0), RESULT(1), ARG(0));
		}
		MUST(inject_run(runs, n, e));
		for (size_t k = 0; k < n; k++) {
			struct plan *p = &runs[k].plan;

			MUST(plan_outcome(p, e));
			assert(plan_result(p, 0) == h->pid);
			assert(plan_result(p, 1) == i->threads[from + k].tid);
			assert(plan_result(p, 2) == -EBADF);
			plan_end(p);
		}
		i->arena.used = used;
	}
	free(runs);
}

/* Whole, with the threads already held. */
static inline void held_inject(struct held *h)
{
	MUST(inject_open(&h->i, 1, e));
	held_ask(h, 32);
	MUST(inject_close(&h->i, 1, e));
}

/* Registers and extended state are what they were at held_stop. */
static inline void held_unchanged(const struct held *h)
{
	char *xstate = malloc(HELD_XSTATE);

	assert(xstate);
	for (size_t k = 0; k < h->i->thread_count; k++) {
		const struct inject_thread *t = &h->i->threads[k];
		struct user_regs_struct regs;
		size_t size = HELD_XSTATE;
		uint64_t mask;

		MUST(tracee_get_regs(t->tid, &regs, e));
		MUST(tracee_get_mask(t->tid, &mask, e));
		MUST(tracee_get_xstate(t->tid, xstate, &size, e));
		assert(memcmp(&regs, &t->regs, sizeof(regs)) == 0);
		assert(mask == t->mask);
		/* Whether a part that is all zero counts as in use changes when a thread is scheduled. */
		memcpy(xstate + XSTATE_IN_USE, (char *)h->xstate[k] + XSTATE_IN_USE, 8);
		assert(size == h->xstate_size && memcmp(xstate, h->xstate[k], size) == 0);
	}
	free(xstate);
}

#endif
