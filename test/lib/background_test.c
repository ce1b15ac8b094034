/* The second thread: all jobs, in order, and the first error. */
#include "lib/background.h"

#include <errno.h>
#include <string.h>

#include "test/lib/unit.h"

enum { JOBS = 500 };

static int done[JOBS], count;

static int note(void *arg, struct err *e)
{
	int number = *(int *)arg;

	if (number < 0)
		return err_code(e, EIO, "job %d", number);
	if (number % 100 == 0)
		usleep(2000);
	done[count++] = number;
	return 0;
}

static void run(struct background *b)
{
	static int number[JOBS];
	struct err e = { 0 };

	for (int i = 0; i < JOBS; i++) {
		number[i] = i;
		assert(background_add(b, note, &number[i], &e) == 0);
		if (i == JOBS / 2)
			usleep(5000); /* it has nothing to do for a while */
	}
	assert(background_finish(b, &e) == 0);
	assert(count == JOBS);
	for (int i = 0; i < JOBS; i++)
		assert(done[i] == i);
}

static void all_in_order(void)
{
	run(background_start());
}

static void without_a_thread_at_once(void)
{
	run(NULL);
}

static void the_first_error_ends_it(void)
{
	struct background *b = background_start();
	int number[] = { 1, -7, 2, -8 };
	struct err e = { 0 };

	assert(b);
	for (int i = 0; i < 4; i++)
		assert(background_add(b, note, &number[i], &e) == 0);
	assert(background_finish(b, &e) == -EIO && strcmp(e.text, "job -7") == 0);
	assert(count == 1);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(all_in_order),
		UNIT(without_a_thread_at_once),
		UNIT(the_first_error_ends_it),
		{},
	});
}
