/* The stages in which kinds put state into the tasks, and the end, when the tasks become what they were. */
#ifndef STASIS_RESTORE_STAGES_H
#define STASIS_RESTORE_STAGES_H

#include "restore/restore.h"

enum stage { STAGE_STATE, STAGE_LATE, STAGE_LAST };

/* Runs what the kinds have for a stage in all threads of all tasks; returns when all are done. */
must_check int stage_run(struct restore *r, enum stage stage, struct err *e);
/* What the coordinator does from outside, for all tasks. */
must_check int stage_outside(struct restore *r, struct err *e);
/* Clones the further threads of all tasks. */
must_check int stage_threads(struct restore *r, struct err *e);
/* Descriptors into all tasks, and what has to be done with them there. */
must_check int stage_files(struct restore *r, struct err *e);
must_check int stage_files_last(struct restore *r, struct err *e);
must_check int stage_join(struct restore *r, struct err *e);

/* Takes the runner out and sets registers and masks: everybody is what they were, and stands still. */
must_check int finish_threads(struct restore *r, struct err *e);
/*
 * Until now our death would end the tree; from now on it lets all of it go. Never a part of it: killed in here, we leave
 * nothing. What is to be stopped stops as soon as it is let go.
 */
must_check int finish_commit(struct restore *r, struct err *e);
/* Lets everybody run. Cannot fail. */
void finish_go(struct restore *r);

#endif
