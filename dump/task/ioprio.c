/* Priority of a thread at the disk. CRIU's images have no place for it. */
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/extra.h"

enum { WHO_PROCESS = 1, CLASS_SHIFT = 13 };

static int ioprio_thread_read(struct thread *th, struct err *e)
{
	long prio = syscall(SYS_ioprio_get, WHO_PROCESS, th->tid);

	if (prio < 0)
		return err_sys(e, "ioprio_get");
	/* Class 0: nobody has set it, and it follows the nice value. */
	if (prio >> CLASS_SHIFT) {
		thread_extra(th)->has_io_priority = 1;
		thread_extra(th)->io_priority = prio;
	}
	return 0;
}

const struct task_kind ioprio_task_kind = {
	.name = "task/ioprio",
	.thread_read = ioprio_thread_read,
};
