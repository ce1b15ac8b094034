/*
 * The pid namespace. It comes with its first process (restore/spawn.c), in which all others are cloned with the numbers that they had;
 * what numbers we see is told when they are born (restore/run.c). It is gone when that process is.
 */
#include <errno.h>

#include "restore/ns.h"

static int pid_load(struct restore *r, uint32_t id, struct err *e)
{
	(void)id;
	if (r->tasks[0]->pid != 1)
		return err_say(e,
			       "'pstree.img' has a pid namespace of its own whose first process is "
			       "not the root of the tree, but pid %d",
			       r->tasks[0]->pid);
	return 0;
}

const struct ns_restore_kind pid_ns_restore_kind = {
	.name = "ns/pid",
	.kind = NS_PID,
	.elsewhere = true,
	.load = pid_load,
};
