/*
 * Bringing threads to a stand. A thread may not be able to stop before others have gone on: the parent of a vfork waits
 * for its child, execve() waits until all other threads of the process are gone, and those wait for their tracer to look
 * at their end. So whatever is reported while one thread is waited for is looked at at once, whoever it comes from.
 */
#ifndef STASIS_DUMP_STAND_H
#define STASIS_DUMP_STAND_H

#include "dump/dump.h"

struct attempt {
	struct dump *d;
	uint64_t deadline; /* io_now_us(): what does not stand by then makes it fail with -EAGAIN */
	unsigned looks;	   /* how often it was looked around */
	bool crowded; /* that failed because others have the processors: more time would help */
};

/* How often waiting, or being held up by an execve(), is interrupted to look what is going on; 0: no more. */
void stand_look_every(int ms);
/* Makes a thread stop, without waiting for it. -ESRCH: it is gone, or as good as gone. */
must_check int stand_ask(struct attempt *a, struct task *t, int tid, struct err *e);
/* Until all threads of a task that were asked stand still; those that are gone are forgotten. */
must_check int stand_await(struct attempt *a, struct task *t, struct err *e);

#endif
