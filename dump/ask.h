/* Running the kinds of dump/task: what they read from outside and what has to be asked from inside. */
#ifndef STASIS_DUMP_ASK_H
#define STASIS_DUMP_ASK_H

#include "dump/dump.h"

/* The kinds' read functions, for all threads; nothing of ours is in the target yet. */
must_check int ask_outside(struct task *t, struct err *e);
/* Brings the runner into all of them, asks, saves the answers, takes the runner out again. */
must_check int ask_tree(struct dump *d, struct err *e);
/* The kinds' images of the whole dump. */
must_check int ask_finish(struct dump *d, struct err *e);

#endif
