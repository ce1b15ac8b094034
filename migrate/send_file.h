/* Files that are sent along. */
#ifndef STASIS_MIGRATE_SEND_FILE_H
#define STASIS_MIGRATE_SEND_FILE_H

#include <stdbool.h>

#include "migrate/channel.h"
#include "migrate/files.h"

must_check int send_file(struct channel *c, const struct wanted_file *f, struct err *e);

struct taken_file {
	char *path;
	bool replaced; /* the one before is kept beside it */
	bool folder;
};

struct taken_files {
	const char *id; /* of the migration */
	struct taken_file *all;
	size_t count;
};

/* The file whose head has come. */
must_check int take_file(struct channel *c, struct taken_files *t, char *head, struct err *e);
/* They stay, or all is as it was. */
void taken_files_end(struct taken_files *t, bool keep);

#endif
