/* The commands 'migrate' and 'receive': their words and descriptors made ready for migrate/. */
#ifndef STASIS_CLI_MOVE_H
#define STASIS_CLI_MOVE_H

#include "cli/options.h"

/* Exit status; with an error if it is not 0. 2: nobody knows who has the tree. */
int move_away(const struct invocation *inv, struct err *e);
/* The error is empty if the other side has been told. */
int move_here(const struct invocation *inv, struct err *e);

#endif
