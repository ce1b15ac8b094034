/* Which mappings go into a core. */
#include <fcntl.h>
#include <stdio.h>

#include "lib/io.h"
#include "restore/extra.h"

static int coredump_filter_outside(struct rtask *t, struct err *e)
{
	const ExtraEntry *x = t->threads[0].extra;
	char path[48], text[16];

	if (!x || !x->has_coredump_filter)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", rtask_here(t));
	snprintf(text, sizeof(text), "0x%x", x->coredump_filter);
	return io_put(AT_FDCWD, path, text, e);
}

const struct restore_kind coredump_filter_restore_kind = {
	.name = "task/coredump_filter",
	.outside = coredump_filter_outside,
};
