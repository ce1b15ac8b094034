/* The user who logged in, as the audit system has it. Where it may not be changed it stays ours. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/io.h"
#include "lib/log.h"
#include "restore/restore.h"

static int loginuid_outside(struct rtask *t, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;
	char path[48], text[16];
	own_mem char *now = NULL;
	struct err refused = { 0 };

	if (!tc->has_loginuid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/loginuid", rtask_here(t));
	if (io_slurp(AT_FDCWD, path, &now, NULL, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 }; /* a kernel without it */
		return 0;
	}
	if (strtoul(now, NULL, 10) == tc->loginuid)
		return 0;
	snprintf(text, sizeof(text), "%u", tc->loginuid);
	if (io_put(AT_FDCWD, path, text, &refused) < 0)
		log_warn("pid %d: its loginuid was %u and becomes %s: %s", t->pid, tc->loginuid,
			 now, refused.text);
	return 0;
}

const struct restore_kind loginuid_restore_kind = {
	.name = "task/loginuid",
	.outside = loginuid_outside,
};
