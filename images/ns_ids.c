/* See ns_ids.h. */
#include "images/ns_ids.h"

#define FIELDS            \
	FIELD(PID, pid)   \
	FIELD(NET, net)   \
	FIELD(IPC, ipc)   \
	FIELD(UTS, uts)   \
	FIELD(TIME, time) \
	FIELD(MNT, mnt)   \
	FIELD(USER, user) \
	FIELD(CGROUP, cgroup)

void ns_ids_set(TaskKobjIdsEntry *ids, enum ns kind, uint32_t id)
{
#define FIELD(KIND, name)                    \
	if (kind == NS_##KIND) {             \
		ids->has_##name##_ns_id = 1; \
		ids->name##_ns_id = id;      \
	}
	FIELDS
#undef FIELD
}

uint32_t ns_ids_get(const TaskKobjIdsEntry *ids, enum ns kind)
{
#define FIELD(KIND, name)      \
	if (kind == NS_##KIND) \
		return ids->has_##name##_ns_id ? ids->name##_ns_id : 0;
	FIELDS
#undef FIELD
	return 0;
}
