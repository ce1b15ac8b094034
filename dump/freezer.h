/*
 * --freeze-cgroup: all of a control group stands still while the threads of the tree are asked to stop, so that nobody
 * gets away by a fork. It is thawed as soon as they are ours, because nobody can be made to do anything in a frozen one; one that
 * was frozen before is so again when they are let go.
 */
#ifndef STASIS_DUMP_FREEZER_H
#define STASIS_DUMP_FREEZER_H

#include "dump/dump.h"

struct freezer;

/* Freezes the group, if there is one, and waits until it is. Without one: refuses a tree that is frozen. */
must_check int freezer_freeze(struct dump *d, struct err *e);
/* Every thread of the tree is asked to stop, and does so before it does anything else. */
must_check int freezer_thaw(struct dump *d, struct err *e);
/* Nobody is asked any more: the group is as it was, at once before threads are let go, and at once after. */
void freezer_before_go(struct dump *d);
void freezer_after_go(struct dump *d);
/* What the settings of this directory said before; NULL: what they say. */
const char *freezer_was(const struct dump *d, int dir, const char *file);
void freezer_close(struct dump *d);

#endif
