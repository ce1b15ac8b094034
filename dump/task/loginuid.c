/* The user who logged in, as the audit system has it; not every kernel does. */
#include <errno.h>
#include <stdlib.h>

#include "dump/dump.h"
#include "lib/io.h"

static int loginuid_read(struct task *t, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	own_mem char *text = NULL;

	if (io_slurp(t->proc_fd, "loginuid", &text, NULL, e) < 0)
		return e->code == -ENOENT ? 0 : e->code;
	tc->has_loginuid = 1;
	tc->loginuid = strtoul(text, NULL, 10);
	return 0;
}

const struct task_kind loginuid_task_kind = {
	.name = "task/loginuid",
	.read = loginuid_read,
};
