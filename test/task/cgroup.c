/*
 * Control groups: a process, a child and a thread, each in one of its own, are there again.
 *
 *   cgroup DIR...    in each DIR there are 'child' and 'thread'; the last one may be of version 2
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

static char **dirs;
static int count;

static void put(const char *dir, const char *below, const char *file, int id)
{
	char path[PATH_MAX], text[16];
	int fd;

	snprintf(path, sizeof(path), "%s%s/%s", dir, below, file);
	fd = SYS(open(path, O_WRONLY));
	SYS(write(fd, text, snprintf(text, sizeof(text), "%d", id)));
	close(fd);
}

static bool is_v1(const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/tasks", dir);
	return access(path, F_OK) == 0;
}

struct groups {
	char text[4096];
};

static struct groups read_groups(void)
{
	struct groups g = { 0 };
	int fd = SYS(open("/proc/thread-self/cgroup", O_RDONLY));

	CHECK(SYS(read(fd, g.text, sizeof(g.text) - 1)) > 0);
	close(fd);
	return g;
}

static void stay(void)
{
	struct groups was = read_groups(), is;

	victim_set();
	victim_wait();
	is = read_groups();
	CHECK(strcmp(is.text, was.text) == 0, "it is in\n%s and was in\n%s", is.text, was.text);
}

static void *run_thread(void *arg)
{
	for (int i = 0; i < count; i++)
		put(dirs[i], "/thread", is_v1(dirs[i]) ? "tasks" : "cgroup.threads",
		    syscall(SYS_gettid));
	stay();
	return arg;
}

int main(int argc, char **argv)
{
	struct groups was, is;
	pid_t child;

	dirs = argv + 1;
	count = argc - 1;
	for (int i = 0; i < count; i++)
		put(dirs[i], "", "cgroup.procs", getpid());
	child = victim_fork();
	if (child == 0) {
		for (int i = 0; i < count; i++)
			put(dirs[i], "/child", "cgroup.procs", getpid());
		stay();
		_exit(0);
	}
	victim_thread(run_thread, NULL);
	was = read_groups();
	victim_ready();
	is = read_groups();
	CHECK(strcmp(is.text, was.text) == 0, "it is in\n%s and was in\n%s", is.text, was.text);
	victim_reap(child);
	victim_join();
	victim_ok();
}
