/* The fields of a task's ids that name its namespaces, by kind. */
#ifndef STASIS_IMAGES_NS_IDS_H
#define STASIS_IMAGES_NS_IDS_H

#include "images/task/ids.pb-c.h"
#include "lib/namespaces.h"

void ns_ids_set(TaskKobjIdsEntry *ids, enum ns kind, uint32_t id);
/* 0: it has none. */
uint32_t ns_ids_get(const TaskKobjIdsEntry *ids, enum ns kind);

#endif
