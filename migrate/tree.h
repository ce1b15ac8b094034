/* The tree that is to move, as /proc shows it while it runs: it may change under our eyes. */
#ifndef STASIS_MIGRATE_TREE_H
#define STASIS_MIGRATE_TREE_H

#include "lib/options.h"
#include "lib/proc.h"

/* Its processes, the root first. */
must_check int tree_pids(int root, struct pids *ret, struct err *e);
/* Connections that cannot move: the first of them is refused by name. */
must_check int tree_check_sockets(const struct pids *tree, const struct options *opt,
				  struct err *e);
/* Bytes that are written over there. */
must_check int tree_memory(const struct pids *tree, uint64_t *ret, struct err *e);

#endif
