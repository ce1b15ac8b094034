/* Who has a tree, when the link was lost in between: each side's part in finding out. */
#ifndef STASIS_MIGRATE_SETTLE_H
#define STASIS_MIGRATE_SETTLE_H

#include "lib/handover.h"
#include "migrate/channel.h"
#include "migrate/record.h"

/* At the target: decides it, if nothing was decided yet. OWNER_THERE: it runs here; OWNER_UNKNOWN: ask again soon. */
must_check int settle_answer(const char *id, enum handover_owner *ret, struct err *e);
/* At the source: asks once. OWNER_THERE: it runs over there. */
must_check int settle_ask(const struct transport *t, const char *id, enum handover_owner *ret,
			  struct err *e);
/* The same until there is an answer, or for so many seconds. */
enum handover_owner settle_ask_patiently(const struct transport *t, const char *id,
					 unsigned seconds, struct err *e);
/* At the source: the tree of a record goes on, or is ended. */
must_check int settle_here(struct record *r, struct err *e);
must_check int settle_there(struct record *r, struct err *e);

/* The body of the source's record. */
must_check int settle_describe(const struct transport *t, const struct handover_tree *tree,
			       const char *address, char **ret, struct err *e);
/* That of the target's: the root task. */
must_check int settle_describe_root(int root, char **ret, struct err *e);

#endif
