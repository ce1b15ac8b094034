/*
 * A userfaultfd that was made in a target and is still in its table of descriptors, because something failed or we
 * were killed before the target had closed it again.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/own.h"
#include "parasite/site.h"

int inject_find_uffd(int pid)
{
	char path[32], link[64];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	own_dir dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (n < 0)
			continue;
		link[n] = 0;
		if (strcmp(link, "anon_inode:[userfaultfd]") == 0)
			return atoi(entry->d_name);
	}
	return -1;
}

void inject_close_uffd(struct injection *i, struct err *e)
{
	int fd;

	while (i->may_hold_uffd && (fd = inject_find_uffd(i->pid)) >= 0) {
		struct site_call call = { .i = i, .nr = SYS_close, .arg = { fd } };

		if (site_calls(&call, 1, e) < 0)
			return;
		if (call.result < 0) {
			err_res(e, call.result, "close the userfaultfd %d of pid %d", fd, i->pid);
			return;
		}
	}
	i->may_hold_uffd = false;
}
