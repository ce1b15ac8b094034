/* How readily the kernel ends the process when memory runs out. */
#include <stdlib.h>

#include "dump/dump.h"
#include "lib/io.h"

static int oom_score_adj_read(struct task *t, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	own_mem char *text = NULL;

	if (io_slurp(t->proc_fd, "oom_score_adj", &text, NULL, e) < 0)
		return e->code;
	tc->has_oom_score_adj = 1;
	tc->oom_score_adj = strtol(text, NULL, 10);
	return 0;
}

const struct task_kind oom_score_adj_task_kind = {
	.name = "task/oom_score_adj",
	.read = oom_score_adj_read,
};
