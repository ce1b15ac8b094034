/* Descriptors of namespaces: all that there are, one of them twice; or one of another namespace. */
#include "test/lib/fds.h"

#include <sched.h>

static const char *const names[] = {
	"pid", "net", "ipc", "uts", "time", "mnt", "user", "cgroup", "pid_for_children",
};

enum { COUNT = sizeof(names) / sizeof(names[0]) };

int main(int argc, char **argv)
{
	static struct fds before;
	char was[COUNT][64], is[64], path[64];
	int fds[COUNT];

	if (argc > 1) {
		int home = SYS(open("/proc/self/ns/uts", O_RDONLY));

		if (unshare(CLONE_NEWUTS) < 0)
			victim_skip("no namespace can be made");
		SYS(dup2(SYS(open("/proc/self/ns/uts", O_RDONLY)), 9));
		SYS(setns(home, 0));
		(void)argv;
		victim_ready();
		victim_ok();
	}
	for (int i = 0; i < COUNT; i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		fds[i] = open(path, O_RDONLY | (i & 1 ? O_CLOEXEC : 0));
		if (fds[i] >= 0)
			fds_link(fds[i], was[i], sizeof(was[i]));
	}
	SYS(dup(fds[1]));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	for (int i = 0; i < COUNT; i++) {
		if (fds[i] < 0)
			continue;
		fds_link(fds[i], is, sizeof(is));
		CHECK(strcmp(is, was[i]) == 0, "%s was %s", is, was[i]);
	}
	SYS(setns(fds[1], CLONE_NEWNET));
	victim_ok();
}
