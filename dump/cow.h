/*
 * --freeze=cow: the tree stands still for as long as everything but its private memory takes to be read, and that is
 * saved while it runs on: the first write to a page waits until the page is in our hands. It is protected before the
 * stop, so that the stop protects again only what was written since.
 *
 *   cow_space, cow_copy   one address space: what is protected, what is to be saved
 *   cow_work              threads that serve writers and save
 *   cow_follow, cow_calls, cow_exit   the tree, traced meanwhile: nothing is taken away before it is saved
 *
 * Tasks whose memory cannot be protected, and what of the others cannot, are saved in the stop.
 */
#ifndef STASIS_DUMP_COW_H
#define STASIS_DUMP_COW_H

#include "dump/dump.h"
#include "dump/memory.h"
#include "lib/ptrace.h"
#include "lib/ranges.h"

/* Refuses what does not go together with it. */
must_check int cow_check_options(const struct options *opt, struct err *e);
/* Whether nothing in the options is against it. */
bool cow_is_possible(const struct options *opt);
/* Step: protects the memory of the tree while it runs. The tree is stopped afterwards, as freeze_tree leaves it. */
must_check int cow_arm(struct dump *d, struct err *e);
/* A thread has reported an event while it was being stopped. */
void cow_event(struct dump *d, int tid, int event);
/* The same, from one that nobody has asked to stop (yet), which goes on. False: the tree is not followed. */
bool cow_stray(struct dump *d, int tid, struct stop s);
/* Before the tree, stopped or not, is let go without a moment: nothing is protected any more. */
void cow_calm(struct dump *d);

/* 1: the memory of a stopped task can be saved later, and the others may be called. 0: not. */
must_check int cow_begin(struct task *t, struct err *e);
/* Whether that holds for a mapping. */
bool cow_has(const struct task *t, const struct vma *v);
/* The pages of all such mappings. */
const struct ranges *cow_pages(const struct task *t);
/* The moment of a task's memory; takes the writer over. */
must_check int cow_take(const struct task *t, const struct page_run *runs, size_t count,
			struct pagemap_writer *w, struct err *e);

/* Step: lets the tree run on, and saves. Nobody is traced afterwards, and no task open. */
must_check int cow_run_on(struct dump *d, struct err *e);
void cow_free(struct dump *d);

#endif
