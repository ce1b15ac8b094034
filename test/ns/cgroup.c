/*
 * A cgroup namespace of its own that begins in the first of the directories; the program is in the second, below it, its child in
 * the third.
 *
 *   cgroup ROOT BELOW CHILD ...    three for each hierarchy
 */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static void go_to(const char *dir, pid_t pid)
{
	char path[PATH_MAX], text[16];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = SYS(open(path, O_WRONLY));
	SYS(write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", pid)));
	SYS(close(fd));
}

static void read_groups(char ret[4096])
{
	int fd = SYS(open("/proc/self/cgroup", O_RDONLY));
	ssize_t n = SYS(read(fd, ret, 4095));

	ret[n] = 0;
	SYS(close(fd));
}

static void stay(void (*wait)(void))
{
	char was[4096], is[4096];

	read_groups(was);
	wait();
	read_groups(is);
	CHECK(strcmp(was, is) == 0, "it is in\n%s and was in\n%s", is, was);
}

static void wait_as_child(void)
{
	victim_set();
	victim_wait();
}

int main(int argc, char **argv)
{
	char text[4096];
	pid_t pid;

	for (int i = 1; i + 2 < argc; i += 3)
		go_to(argv[i], getpid());
	if (unshare(CLONE_NEWCGROUP) < 0)
		victim_skip("no cgroup namespace can be made");
	for (int i = 1; i + 2 < argc; i += 3)
		go_to(argv[i + 1], getpid());
	read_groups(text);
	CHECK(argc == 1 || !strstr(text, "stasis-"), "%s", text);
	pid = victim_fork();
	if (pid == 0) {
		for (int i = 1; i + 2 < argc; i += 3)
			go_to(argv[i + 2], getpid());
		stay(wait_as_child);
		_exit(0);
	}
	stay(victim_ready);
	SAME(waitpid(pid, NULL, 0), pid);
	victim_ok();
}
