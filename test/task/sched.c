/* Scheduling policy, priority, nice value and reset-on-fork of each thread, as the kernel tells them. */
#include <sched.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

struct attr { /* struct sched_attr: 48 bytes, its first version */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

#define RESET_ON_FORK 1

static const struct attr wanted[] = {
	{ .policy = SCHED_OTHER, .nice = 5 },
	{ .policy = SCHED_OTHER, .nice = -11 },
	{ .policy = SCHED_OTHER, .nice = 19, .flags = RESET_ON_FORK },
	{ .policy = SCHED_BATCH, .nice = 7 },
	{ .policy = SCHED_IDLE, .nice = 3 },
	{ .policy = SCHED_FIFO, .priority = 10 },
	{ .policy = SCHED_RR, .priority = 99, .flags = RESET_ON_FORK },
};

static void *thread(void *arg)
{
	struct attr attr = *(const struct attr *)arg, was, is;

	attr.size = sizeof(attr);
	/* Real time may be forbidden here: the thread stays as it is. */
	if (syscall(SYS_sched_setattr, 0, &attr, 0) < 0)
		CHECK(attr.priority > 0, "%s", strerror(errno));
	SYS(syscall(SYS_sched_getattr, 0, &was, sizeof(was), 0));
	victim_set();
	victim_wait();
	SYS(syscall(SYS_sched_getattr, 0, &is, sizeof(is), 0));
	SAME(is.policy, was.policy);
	SAME(is.flags, was.flags);
	SAME(is.nice, was.nice);
	SAME(is.priority, was.priority);
	return NULL;
}

int main(void)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		victim_thread(thread, (void *)&wanted[i]);
	victim_ready();
	victim_join();
	victim_ok();
}
