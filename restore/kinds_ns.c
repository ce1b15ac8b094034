/* The kinds of namespaces that a tree can have of its own. */
#include "restore/ns.h"

extern const struct ns_restore_kind pid_ns_restore_kind, uts_ns_restore_kind, ipc_ns_restore_kind,
	time_ns_restore_kind, cgroup_ns_restore_kind, net_ns_restore_kind, mnt_ns_restore_kind,
	user_ns_restore_kind;

const struct ns_restore_kind *const ns_restore_kinds[] = {
	&user_ns_restore_kind, /* first: the others are made inside */
	&pid_ns_restore_kind,	 &uts_ns_restore_kind, &ipc_ns_restore_kind, &time_ns_restore_kind,
	&cgroup_ns_restore_kind, &net_ns_restore_kind, &mnt_ns_restore_kind,
};

const size_t ns_restore_kind_count = ARRAY_SIZE(ns_restore_kinds);
