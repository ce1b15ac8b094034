/* Which mappings go into a core. CRIU's images have no place for it. */
#include <errno.h>
#include <stdlib.h>

#include "dump/extra.h"
#include "lib/io.h"

enum { DEFAULT_FILTER = 0x33 };

static int coredump_filter_read(struct task *t, struct err *e)
{
	own_mem char *text = NULL;
	uint32_t value;

	if (io_slurp(t->proc_fd, "coredump_filter", &text, NULL, e) < 0)
		return e->code == -ENOENT ? 0 : e->code;
	value = strtoul(text, NULL, 16);
	if (value != DEFAULT_FILTER) {
		thread_extra(&t->threads[0])->has_coredump_filter = 1;
		thread_extra(&t->threads[0])->coredump_filter = value;
	}
	return 0;
}

const struct task_kind coredump_filter_task_kind = {
	.name = "task/coredump_filter",
	.read = coredump_filter_read,
};
