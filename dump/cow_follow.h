/*
 * Following a tree that runs while a moment of its memory is kept: its threads stay traced. A thread that would take
 * memory away is held at the entry of the call until that memory is saved; so is the last one that ends. What a thread
 * makes is followed as far as it shares the memory; processes that get a copy are let go at once.
 *
 * The kernel's last writes for a thread that ends (clear_child_tid, robust mutexes) do not wait for a userfaultfd: on
 * a protected page they would be lost, and somebody would wait for that thread for ever. So where these writes go is
 * released before; ahead of the moment, where that place is not known, everything is.
 */
#ifndef STASIS_DUMP_COW_FOLLOW_H
#define STASIS_DUMP_COW_FOLLOW_H

#include "dump/cow_work.h"
#include "lib/ptrace.h"

struct cow_follow;

/* How the kernel is to trace those that are followed. */
extern const unsigned long cow_follow_options;

must_check int cow_follow_begin(struct cow_follow **ret, struct err *e);
/* A stopped thread of the process pid that is traced by us; known already: it has another space. */
must_check int cow_follow_add(struct cow_follow *f, int tid, int pid, struct cow_space *s,
			      struct err *e);
void cow_follow_set_tid_address(struct cow_follow *f, int tid, uint64_t tid_address);
/* All that were added. */
void cow_follow_forget(struct cow_follow *f);
/* The moment has been taken; all stand still. */
void cow_follow_moment(struct cow_follow *f, struct cow_work *w);
/* Lets a thread run. stopped: with its process, by a signal. */
must_check int cow_follow_go(struct cow_follow *f, int tid, bool stopped, struct err *e);
/* Before the moment: until it is ready, which is asked at each COW_NEWS. */
must_check int cow_follow_early(struct cow_follow *f, bool (*ready)(void *arg), void *arg,
				struct err *e);
/* From another thread: asks again whether it is ready. */
void cow_follow_wake(struct cow_follow *f);
/* One thread that has reported an event while it was being stopped, before the moment. False: it ends, and is not known. */
bool cow_follow_event(struct cow_follow *f, int tid, int event);
/* The same, of one that is to go on. */
void cow_follow_report(struct cow_follow *f, int tid, struct stop s);
/*
 * After the moment: until everything is in our hands, nothing is protected any more and nobody is traced. alive is asked
 * now and then whether to go on (guard_check).
 */
must_check int cow_follow_save(struct cow_follow *f, int (*alive)(void *arg, struct err *e),
			       void *arg, struct err *e);
/* Forgets all; those that are still traced stay it. NULL is fine. */
void cow_follow_free(struct cow_follow *f);

#endif
