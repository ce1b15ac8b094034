/*
 * Moving a running tree to another machine: docs/migrate.md has the protocol, and who has the tree when.
 */
#ifndef STASIS_MIGRATE_MIGRATE_H
#define STASIS_MIGRATE_MIGRATE_H

#include "lib/handover.h"
#include "lib/options.h"

typedef int (*tree_fn)(const struct options *opt, struct err *e);

/*
 * Moves opt->tree to opt->migrate.host; dump saves it. opt->dry_run: only says whether it could. -EINPROGRESS: nobody knows who
 * has it; the error says what to do.
 */
must_check int migrate_run(struct options *opt, tree_fn dump, struct err *e);
/* The other side: takes a tree from in, and answers to out; restore starts it. 1: it has failed, and the other side has been told. */
must_check int receive_run(struct options *opt, tree_fn restore, int in, int out, struct err *e);

/* --status, --resume and --abort. */
must_check int migrate_status(const struct options *opt, struct err *e);
must_check int migrate_resume(const struct options *opt, const char *id, struct err *e);
must_check int migrate_abort(const struct options *opt, const char *id, struct err *e);

#endif
