/* See namespaces.h. */
#include "lib/namespaces.h"

#include <sched.h>

#include "lib/own.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct namespace_kind namespace_kinds[] = {
	{ "pid", CLONE_NEWPID, 1 },   { "net", CLONE_NEWNET, 2 },	{ "ipc", CLONE_NEWIPC, 3 },
	{ "uts", CLONE_NEWUTS, 4 },   { "time", CLONE_NEWTIME, 5 },	{ "mnt", CLONE_NEWNS, 6 },
	{ "user", CLONE_NEWUSER, 7 }, { "cgroup", CLONE_NEWCGROUP, 8 },
};
const size_t namespace_kind_count = ARRAY_SIZE(namespace_kinds);
