/* Directories and files of a cgroup, open as any others: for reading, by O_PATH, and through a directory. */
#include "test/lib/fds.h"

#include <mntent.h>

static struct fds before;
static char path[512];

/* Any hierarchy will do. */
static void find(void)
{
	FILE *f = setmntent("/proc/mounts", "re");
	struct mntent *m;

	CHECK(f);
	while ((m = getmntent(f)) && !path[0])
		if (strncmp(m->mnt_type, "cgroup", 6) == 0) {
			snprintf(path, sizeof(path), "%.400s/stasis-%d", m->mnt_dir, getpid());
			if (mkdir(path, 0755) < 0)
				path[0] = 0;
		}
	endmntent(f);
	if (!path[0])
		victim_skip("no cgroup can be made here");
}

int main(void)
{
	int dir;

	find();
	dir = SYS(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	SYS(open(path, O_PATH));
	SYS(openat(dir, "cgroup.procs", O_RDONLY));
	SYS(openat(dir, "cgroup.procs", O_WRONLY));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SYS(close(SYS(openat(dir, "cgroup.procs", O_RDONLY))));
	SYS(rmdir(path));
	victim_ok();
}
