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

static bool is_listed(const struct injection *i, int fd)
{
	for (uint32_t k = 0; k < i->had_count; k++)
		if (i->had[k] == fd)
			return true;
	return false;
}

/* One that the process did not have; -1: there is none. */
static int find_new(const struct injection *i)
{
	char path[32];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", i->pid);
	own_dir dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !is_listed(i, atoi(entry->d_name)))
			return atoi(entry->d_name);
	return -1;
}

static int find_ours(const struct injection *i)
{
	return i->had ? find_new(i) : inject_find_uffd(i->pid);
}

void inject_close_uffd(struct injection *i, struct err *e)
{
	int fd;

	while (i->may_hold_uffd && (fd = find_ours(i)) >= 0) {
		struct site_call call = { .i = i, .nr = SYS_close, .arg = { fd } };

		if (site_calls(&call, 1, e) < 0)
			return;
		if (call.result < 0) {
			err_res(e, call.result, "close descriptor %d of pid %d, which is ours", fd,
				i->pid);
			return;
		}
	}
	i->may_hold_uffd = false;
}
