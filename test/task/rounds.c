/* Several rounds on the same process: what it computes must come out as if nothing had happened. */
#include "test/lib/victim.h"

#define FACTOR 6364136223846793005ULL
#define SUMMAND 1442695040888963407ULL

static volatile bool over;
static volatile uint64_t steps[2];

/* Where x is after so many steps; doubling, so that it takes no time. */
static uint64_t jump(uint64_t x, uint64_t count)
{
	for (uint64_t factor = FACTOR, summand = SUMMAND; count > 0; count /= 2) {
		if (count % 2)
			x = x * factor + summand;
		summand = summand * factor + summand;
		factor *= factor;
	}
	return x;
}

static void *compute(void *arg)
{
	volatile uint64_t *count = arg;
	uint64_t x = 1;

	victim_set();
	while (!over) {
		x = x * FACTOR + SUMMAND;
		++*count;
	}
	SAME(x, jump(1, *count));
	return NULL;
}

int main(int argc, char **argv)
{
	for (int i = 0; i < 2; i++)
		victim_thread(compute, (void *)&steps[i]);
	for (int i = argc > 1 ? atoi(argv[1]) : 1; i >= 0; i--) {
		uint64_t was = steps[0];

		victim_ready();
		while (steps[0] == was)
			victim_sleep_ms(1);
	}
	over = true;
	victim_join();
	victim_ok();
}
