/* Sessions and process groups: their leaders have to be of the tree, or gone, or the shell's. */
#ifndef STASIS_DUMP_SESSIONS_H
#define STASIS_DUMP_SESSIONS_H

#include "dump/dump.h"

must_check int sessions_check(struct task *t, struct err *e);

#endif
