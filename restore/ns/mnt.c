/* The mount namespace: restore/mounts*.c. It is made when the others are, and finished when the first process is there. */
#include "restore/mounts.h"
#include "restore/ns.h"

const struct ns_restore_kind mnt_ns_restore_kind = {
	.name = "ns/mnt",
	.kind = NS_MNT,
	.elsewhere = true,
	.load = rmounts_load,
	.close = rmounts_close,
};
