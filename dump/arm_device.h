/* A userfaultfd for a task that may not make one itself. */
#ifndef STASIS_DUMP_ARM_DEVICE_H
#define STASIS_DUMP_ARM_DEVICE_H

#include "dump/dump.h"

/*
 * The number of a userfaultfd in the table of the task, which has the runner in it. Whether this works or not, what else
 * is new in that table is taken away by inject_close().
 */
must_check int arm_by_device(struct task *t, int *ret, struct err *e);

#endif
