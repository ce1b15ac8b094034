/* What inotify and fanotify watch, found again: by path, as the file of a descriptor, or by its handle. */
#ifndef STASIS_RESTORE_WATCH_H
#define STASIS_RESTORE_WATCH_H

#include "restore/files.h"

struct watch_place {
	uint32_t id;	 /* of the description that watches */
	uint32_t number; /* of the watch in it */
	uint32_t dev;
	uint64_t ino;
	const FhEntry *handle; /* NULL: there must be a file for it */
};

/* An O_PATH descriptor of it. */
must_check int rwatch_open(struct restore *r, const struct watch_place *w, int *ret_fd,
			   struct err *e);
/* Closes what handles were opened with. */
void rwatch_close(struct restore *r);

#endif
