/* Which kernel objects the tasks share, among themselves and with us: ids-PID.img and root_ids. */
#ifndef STASIS_DUMP_IDS_H
#define STASIS_DUMP_IDS_H

#include "dump/dump.h"

/*
 * Fills t->ids of every living task but files_id (that is dump/files.c's), and refuses tasks in namespaces that
 * cannot be saved (dump/ns.h).
 */
must_check int ids_read(struct dump *d, struct err *e);
/* The ids of this process: what the images call root_ids. Lives in the pool. */
must_check int ids_own(struct dump *d, TaskKobjIdsEntry **ret, struct err *e);

#endif
