/* The processors that a thread may run on: one thread keeps to the first, another to the second, the rest to none. */
#include <sched.h>

#include "test/lib/victim.h"

static cpu_set_t own(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	SYS(sched_getaffinity(0, sizeof(set), &set));
	return set;
}

static void keep(const cpu_set_t *was)
{
	cpu_set_t is = own();

	CHECK(CPU_EQUAL(&is, was), "it may run on %d processors, it was %d", CPU_COUNT(&is),
	      CPU_COUNT(was));
}

static void *thread(void *arg)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((long)arg, &one);
	SYS(sched_setaffinity(0, sizeof(one), &one));
	victim_set();
	victim_wait();
	keep(&one);
	return NULL;
}

int main(void)
{
	cpu_set_t all = own();

	if (!CPU_ISSET(0, &all) || !CPU_ISSET(1, &all))
		victim_skip("there are not two processors to choose from");
	victim_thread(thread, (void *)0);
	victim_thread(thread, (void *)1);
	victim_ready();
	keep(&all);
	victim_join();
	victim_ok();
}
