/*
 * What the kernel knows about a program's memory beside its mappings: where code, data, heap, stack,
 * arguments and environment lie, the auxiliary vector and the program's file. And the heap still grows.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "test/lib/victim.h"

static size_t slurp(const char *path, char *buf, size_t size)
{
	int fd = SYS(open(path, O_RDONLY | O_CLOEXEC));
	size_t n = SYS(read(fd, buf, size - 1));

	close(fd);
	buf[n] = 0;
	return n;
}

/* startcode endcode startstack, then start_data end_data start_brk arg_start arg_end env_start env_end. */
static void addresses(uint64_t *ret)
{
	char text[4096], *field, *rest;

	slurp("/proc/self/stat", text, sizeof(text));
	field = strtok_r(strrchr(text, ')') + 2, " ", &rest);
	for (int number = 3; field; number++, field = strtok_r(NULL, " ", &rest)) {
		if (number >= 26 && number <= 28)
			ret[number - 26] = strtoull(field, NULL, 10);
		if (number >= 45 && number <= 51)
			ret[3 + number - 45] = strtoull(field, NULL, 10);
	}
}

struct view {
	uint64_t at[10];
	char arguments[1024], environment[65536], vector[1024], exe[PATH_MAX];
	size_t argument_size, environment_size, vector_size;
	void *heap_end;
};

static void look(struct view *v)
{
	memset(v, 0, sizeof(*v));
	addresses(v->at);
	v->argument_size = slurp("/proc/self/cmdline", v->arguments, sizeof(v->arguments));
	v->environment_size = slurp("/proc/self/environ", v->environment, sizeof(v->environment));
	v->vector_size = slurp("/proc/self/auxv", v->vector, sizeof(v->vector));
	SYS(readlink("/proc/self/exe", v->exe, sizeof(v->exe) - 1));
	v->heap_end = sbrk(0);
}

static struct view was, is;

int main(int argc, char **argv)
{
	char *grown;

	/* As programs do that show in ps what they are busy with. */
	memset(argv[argc - 1], 'Z', strlen(argv[argc - 1]));
	SYS(sbrk(123456));
	look(&was);
	victim_ready();
	look(&is);
	for (int i = 0; i < 10; i++)
		CHECK(is.at[i] == was.at[i], "field %d is %lx, it was %lx", i, is.at[i], was.at[i]);
	SAME(is.argument_size, was.argument_size);
	CHECK(memcmp(is.arguments, was.arguments, is.argument_size) == 0, "%s", is.arguments);
	SAME(is.environment_size, was.environment_size);
	CHECK(memcmp(is.environment, was.environment, is.environment_size) == 0);
	SAME(is.vector_size, was.vector_size);
	CHECK(memcmp(is.vector, was.vector, is.vector_size) == 0);
	CHECK(strcmp(is.exe, was.exe) == 0, "it is '%s', it was '%s'", is.exe, was.exe);
	SAME((uint64_t)is.heap_end, (uint64_t)was.heap_end);
	grown = SYS(sbrk(8 << 20));
	SAME((uint64_t)grown, (uint64_t)was.heap_end);
	memset(grown, 1, 8 << 20);
	SYS(sbrk(-(8 << 20)));
	SAME((uint64_t)sbrk(0), (uint64_t)was.heap_end);
	victim_ok();
}
