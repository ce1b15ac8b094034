/* Small pieces of a process's memory: many, none, some that cannot be read. Our own memory does as well as another's. */
#include "lib/remote.h"

#include <string.h>
#include <sys/mman.h>

#include "test/lib/unit.h"

enum { MANY = 1000 };

static uint64_t value[MANY], at[MANY], got[MANY];

static struct remote_pieces all_of(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		value[i] = i * 7 + 1;
		at[i] = (uintptr_t)&value[i];
	}
	memset(got, 0xff, sizeof(got));
	return (struct remote_pieces){ getpid(), at, count, sizeof(*value) };
}

static void many_come_in_order(void)
{
	struct remote_pieces p = all_of(MANY);
	struct err e;

	assert(remote_gather(&p, got, &e) == 0);
	assert(memcmp(got, value, sizeof(value)) == 0);
}

static void none_is_nothing(void)
{
	struct remote_pieces p = all_of(0);
	struct err e;

	assert(remote_gather(&p, got, &e) == 0 && got[0] == ~0ULL);
}

static void what_cannot_be_read_is_zero(void)
{
	struct remote_pieces p = all_of(MANY);
	char *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const size_t bad[] = { 0, 1, 255, 256, 257, 600, MANY - 1 };
	struct err e;

	assert(gone != MAP_FAILED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at[bad[i]] = i % 2 ? 0 : (uintptr_t)gone;
		value[bad[i]] = 0;
	}
	assert(remote_gather(&p, got, &e) == 0);
	assert(memcmp(got, value, sizeof(value)) == 0);
}

static void a_process_that_is_gone_is_an_error(void)
{
	struct remote_pieces p = all_of(3);
	struct err e = { 0 };

	p.pid = fork();
	if (p.pid == 0)
		_exit(0);
	assert(waitpid(p.pid, NULL, 0) == p.pid);
	assert(remote_gather(&p, got, &e) < 0 && e.code);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(many_come_in_order),
		UNIT(none_is_nothing),
		UNIT(what_cannot_be_read_is_zero),
		UNIT(a_process_that_is_gone_is_an_error),
		{},
	});
}
