/* What the kernel can do; see kernel.h. Here are the table and what probes have in common. */
#include "lib/kernel.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/kernel_probes.h"
#include "lib/own.h"
#include "lib/ptrace.h"

static const struct {
	struct kernel_info info;
	bool (*probe)(void);
} features[KERNEL_COUNT] = {
#define FEATURE(id, name, probe, class, cost) { { name, CLASS_##class, cost }, probe },
#include "lib/kernel.def"
#undef FEATURE
};

/* For tests, of what is done on other kernels: STASIS_LACKS="uffd_wp_async soft_dirty". */
static bool is_taken_away(const char *name)
{
	const char *list = getenv("STASIS_LACKS"), *at = list;
	size_t size = strlen(name);

	while (at && (at = strstr(at, name))) {
		bool begins = at == list || at[-1] == ' ';

		at += size;
		if (begins && (*at == ' ' || !*at))
			return true;
	}
	return false;
}

bool kernel_has(enum kernel_feature feature)
{
	/* A memory of answers, not a setting: 0 not asked yet, 1 there, -1 missing. */
	static signed char known[KERNEL_COUNT];

	if (!known[feature])
		known[feature] = features[feature].probe() &&
						 !is_taken_away(features[feature].info.name) ?
					 1 :
					 -1;
	return known[feature] > 0;
}

const struct kernel_info *kernel_info(enum kernel_feature feature)
{
	return &features[feature].info;
}

enum kernel_feature kernel_find(const char *name)
{
	int i = 0;

	while (i < KERNEL_COUNT && strcmp(features[i].info.name, name) != 0)
		i++;
	return i;
}

bool probe_always(void)
{
	return true;
}

bool probe_not_built(void)
{
	return false;
}

static pid_t fork_bound(void)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

bool probe_in_child(bool (*ask)(void))
{
	int status = -1;
	pid_t pid = fork_bound();

	if (pid == 0)
		_exit(ask() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool probe_stopped_child(bool (*prepare)(void), bool (*ask)(pid_t pid))
{
	struct err e = {};
	struct stop stop;
	bool there = false;
	int ready[2];
	char byte = 0;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return false;
	pid = fork_bound();
	if (pid == 0) {
		byte = !prepare || prepare();
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1 && byte && tracee_seize(pid, 0, &e) == 0 &&
	    tracee_interrupt(pid, &e) == 0 && tracee_wait(pid, &stop, &e) == 0)
		there = ask(pid);
	close(ready[0]);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return there;
}

static bool in_netns(bool (*ask)(void))
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	own_fd fd = -1;

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0 && ask();
}

bool probe_in_netns(bool (*ask)(void))
{
	int status = -1;
	pid_t pid = fork_bound();

	if (pid == 0)
		_exit(in_netns(ask) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool on_tmpfs(bool (*ask)(void))
{
	static const char *const places[] = { "/tmp", "/run", "/mnt", "/dev" };

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (mount("probe", places[i], "tmpfs", 0, NULL) == 0)
			return chdir(places[i]) == 0 && ask();
	}
	return false;
}

bool probe_on_tmpfs(bool (*ask)(void))
{
	int status = -1;
	pid_t pid = fork_bound();

	if (pid == 0)
		_exit(on_tmpfs(ask) ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool probe_file_holds(const char *path, const char *text)
{
	own_mem char *all = NULL;
	struct err e = {};

	return io_slurp(AT_FDCWD, path, &all, NULL, &e) == 0 && strstr(all, text);
}

bool probe_fdinfo_holds(int fd, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return fd >= 0 && probe_file_holds(path, text);
}
