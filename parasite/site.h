/*
 * The leader of a process that makes system calls at the site (see inject.h), and what else the injection and its
 * healing have in common.
 */
#ifndef STASIS_PARASITE_SITE_H
#define STASIS_PARASITE_SITE_H

#include <signal.h>
#include <stdbool.h>

#include "lib/ptrace.h"
#include "parasite/inject.h"

/* A full mask as the kernel gives it back: without SIGKILL and SIGSTOP. */
#define ALL_BLOCKED (~0ULL & ~(1ULL << (SIGKILL - 1)) & ~(1ULL << (SIGSTOP - 1)))

struct site_call {
	struct injection *i;
	long nr;
	uint64_t arg[PLAN_ARGS];
	int64_t result; /* the kernel's, unless it failed */
	bool failed;	/* to be made at all */
};

/*
 * Several processes make a call each, at the same time. Their leaders are left in the loop at the site, so it must not
 * be closed before they have been sent elsewhere. An error if one of them was not made.
 */
must_check int site_calls(struct site_call *calls, size_t count, struct err *e);
must_check int site_close(struct injection *i, struct err *e);

/* Blocks the signals of a thread that is about to run code of ours. */
must_check int site_change_thread(struct inject_thread *t, struct err *e);
/* Lets a thread with code of ours go on that has stopped for something else (request: PTRACE_CONT...). */
must_check int site_go_on(int tid, int request, struct stop s, struct err *e);
/* Until a thread with code of ours, that has been interrupted, stands still. */
must_check int site_await_still(int tid, struct err *e);

/* Closes what i->may_hold_uffd speaks of. The leader is in our hands; e: of what has failed, or empty. */
void inject_close_uffd(struct injection *i, struct err *e);

#endif
