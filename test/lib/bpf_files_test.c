/* Addresses of open files of this process. */
#include "lib/bpf_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "test/lib/unit.h"

static uint64_t at(const struct file_address *all, size_t count, int num)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].num == (uint64_t)num)
			return all[i].at;
	return 0;
}

static void same_description_same_address(void)
{
	struct file_address *all = NULL;
	struct err e = { 0 };
	size_t count = 0;
	int program, fd = open("/dev/null", O_RDONLY), copy = dup(fd),
		     again = open("/dev/null", O_RDONLY);

	if (file_addresses_open(&program, &e) < 0)
		unit_skip(e.text);
	assert(file_addresses_read(program, getpid(), &all, &count, &e) == 0);
	assert(at(all, count, fd) && at(all, count, fd) == at(all, count, copy));
	assert(at(all, count, again) && at(all, count, again) != at(all, count, fd));
	assert(at(all, count, 12345) == 0);
	for (size_t i = 1; i < count; i++)
		assert(all[i - 1].num < all[i].num);
	free(all);
	close(program);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(same_description_same_address), {} });
}
