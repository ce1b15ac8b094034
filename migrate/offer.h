/*
 * What one side says of the tree before anything is touched, and whether it fits on the other one. Lines of words between
 * tabs; a line of the answer is "what" or "file PATH what" for each thing that does not.
 */
#ifndef STASIS_MIGRATE_OFFER_H
#define STASIS_MIGRATE_OFFER_H

#include "lib/options.h"
#include "migrate/files.h"

struct offer {
	char *text; /* the caller frees it */
	size_t size;
	uint64_t memory;
};

must_check int offer_make(const struct options *opt, const struct pids *tree,
			  const struct wanted_files *files, struct offer *ret, struct err *e);
/* On the other side; the caller frees *ret. text is cut into pieces. */
must_check int offer_check(char *text, const struct options *opt, char **ret, struct err *e);

#endif
