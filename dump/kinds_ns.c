/* The kinds of namespaces that a tree can have of its own. */
#include "dump/ns.h"

extern const struct ns_kind pid_ns_kind, uts_ns_kind, ipc_ns_kind, time_ns_kind, cgroup_ns_kind,
	net_ns_kind, mnt_ns_kind, user_ns_kind;

const struct ns_kind *const ns_kinds[] = { &user_ns_kind, &pid_ns_kind,	 &uts_ns_kind,
					   &ipc_ns_kind,  &time_ns_kind, &cgroup_ns_kind,
					   &net_ns_kind,  &mnt_ns_kind };

const size_t ns_kind_count = ARRAY_SIZE(ns_kinds);
