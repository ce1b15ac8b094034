/*
 * The threads that save a moment: one serves writers that wait, two save the rest in order and write what the
 * first has read. That one never waits for the disk as long as there is room in memory (ROOM in cow_work.c).
 */
#ifndef STASIS_DUMP_COW_WORK_H
#define STASIS_DUMP_COW_WORK_H

#include <signal.h>

#include "dump/cow_space.h"

/* To the thread that has started them: something that it may be waiting for has come about. */
enum { COW_NEWS = SIGURG };

struct cow_work;

/* A thread that no signal comes to. */
must_check int cow_thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg, struct err *e);
/* Serves writers from here on: before the moment they are just released. The spaces outlive the work. */
must_check int cow_work_start(struct cow_space **spaces, size_t count, struct cow_work **ret,
			      struct err *e);
/* The tree has been stopped: nobody has to be slowed down any more. */
void cow_work_settle(struct cow_work *w);
/* The moment has been taken in all spaces: saves them. */
must_check int cow_work_save(struct cow_work *w, struct err *e);
/* These units of a space first: somebody waits for them. Gives news as they get done. */
must_check int cow_work_hurry(struct cow_work *w, struct cow_space *s, size_t first, size_t last,
			      struct err *e);
/* Saves and releases the pages around an address at once. */
void cow_work_touch(struct cow_work *w, struct cow_space *s, uint64_t at);
/* Gives up: from now on writers are just released. */
void cow_work_fail(struct cow_work *w, const struct err *e);
/* 0 while all goes well. */
must_check int cow_work_check(struct cow_work *w, struct err *e);
/* Everything is in our hands. */
bool cow_work_done(const struct cow_work *w);
/* Waits until everything has been written; writers are still served. */
must_check int cow_work_finish(struct cow_work *w, struct err *e);
/* Takes all protection back, which takes a while; gives news when that is done. */
void cow_work_unregister(struct cow_work *w);
bool cow_work_unregistered(const struct cow_work *w);
/* Ends the threads, finished or not. NULL is fine. */
void cow_work_free(struct cow_work *w);

#endif
