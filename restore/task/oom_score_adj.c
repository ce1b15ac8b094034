/*
 * How readily the kernel ends the process when memory runs out. To go below the value that we were started with needs
 * CAP_SYS_RESOURCE; without it the task stays as easy to end as we are, and runs all the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/io.h"
#include "lib/log.h"
#include "restore/restore.h"

static int oom_score_adj_outside(struct rtask *t, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;
	char path[48], text[16];
	own_mem char *now = NULL;
	struct err refused = { 0 };

	if (!tc->has_oom_score_adj)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", rtask_here(t));
	if (io_slurp(AT_FDCWD, path, &now, NULL, e) < 0)
		return e->code;
	if (strtol(now, NULL, 10) == tc->oom_score_adj)
		return 0;
	snprintf(text, sizeof(text), "%d", tc->oom_score_adj);
	if (io_put(AT_FDCWD, path, text, &refused) < 0)
		log_warn("pid %d: its oom_score_adj was %d and stays %ld: %s", t->pid,
			 tc->oom_score_adj, strtol(now, NULL, 10), refused.text);
	return 0;
}

const struct restore_kind oom_score_adj_restore_kind = {
	.name = "task/oom_score_adj",
	.outside = oom_score_adj_outside,
};
