/*
 * A thread in vfork(2) cannot be stopped before its child has let go of the memory. The dump lets the tree run for a
 * moment then, and tries again.
 */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/victim.h"

static const struct timespec child_sleeps = { .tv_sec = 1 };

static void *vfork_once(void *arg)
{
	int status;
	pid_t child;

	victim_set();
	victim_sleep_ms(100);
	child = vfork();
	if (child == 0) {
		syscall(SYS_nanosleep, &child_sleeps, NULL);
		_exit(55);
	}
	SAME(SYS(waitpid(child, &status, 0)), child);
	SAME(status, 55 << 8);
	return arg;
}

int main(void)
{
	victim_thread(vfork_once, NULL);
	victim_ready();
	victim_join();
	victim_ok();
}
