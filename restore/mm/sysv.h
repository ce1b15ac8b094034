/* SysV segments of a restore: made or found by the coordinator (sysv_make.c), attached by the tasks (sysv.c). */
#ifndef STASIS_RESTORE_MM_SYSV_H
#define STASIS_RESTORE_MM_SYSV_H

#include "images/ns/ipc.pb-c.h"
#include "restore/restore.h"

struct rsegment {
	IpcShmEntry *entry;
	bool made; /* it was gone, so it is ours to remove if the restore fails */
	void *held; /* our attachment, which keeps a removed segment until it is attached elsewhere; NULL: none */
};

struct rsysv {
	struct rsegment *segments;
	size_t count;
};

/* The segment is there, with the contents of the images unless somebody else is using it. */
must_check int rsegment_make(struct restore *r, struct rsegment *s, struct err *e);
void rsegment_close(struct rsegment *s, bool failed);
/* Its size in whole pages. */
uint64_t rsegment_bytes(const struct rsegment *s);

#endif
