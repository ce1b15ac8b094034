/* Stopping the tree, and letting it go again. */
#ifndef STASIS_DUMP_FREEZE_H
#define STASIS_DUMP_FREEZE_H

#include <sys/ptrace.h>

#include "dump/dump.h"
#include "lib/ptrace.h"

/* How threads are traced, and PTRACE_O_SUSPEND_SECCOMP where the kernel has it. */
enum { FREEZE_OPTIONS = PTRACE_O_TRACESYSGOOD };

/*
 * Finds and stops every thread of the tree of opt->tree, and reads their registers and masks. Tries for
 * opt->timeout seconds, longer only where that were too few attempts. On failure everything runs again.
 */
must_check int freeze_tree(struct dump *d, struct err *e);
/* Lets one thread go where it has stopped. */
void freeze_leave(int tid, struct stop s);
/* Lets every thread go where it was; nothing of ours may be in the tree any more. */
void freeze_let_go(struct dump *d);
/* The same, but stopped by SIGSTOP afterwards (--leave-stopped). */
void freeze_leave_stopped(struct dump *d);
/* Ends the tree and waits until it is gone. */
void freeze_kill(struct dump *d);

/* The tree stands still no more: counts how long it did. Letting go does that by itself. */
void freeze_note(struct dump *d);
/* All threads that stand still are traced as a dump needs it, however they were seized. */
must_check int freeze_set_options(struct dump *d, struct err *e);
/* t->stat, of a process that is there. -ESRCH: it is not any more. */
must_check int freeze_read_stat(struct task *t, struct err *e);
/* A process whose first thread has ended: its other threads may be on their way out, and wait for us there. Reads t->stat. */
must_check int freeze_await_end(struct task *t, struct err *e);
/* The tree has been let go by somebody else. */
void freeze_forget(struct dump *d);
/* A task that is gone before all of the tree stands: what is left of it, if anything, runs again. */
void freeze_drop(struct task *t);

#endif
