/* Which trees are not all there yet; see serving.h. */
#include "lazy/serving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/proc.h"

#define FOLDER "/run/stasis"
enum { LOOK_US = 20000, PASSES = 2 };

int serving_begin(int *ret, struct err *e)
{
	char path[64];

	if (mkdir(FOLDER, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "create '%s'", FOLDER);
	snprintf(path, sizeof(path), "%s/lazy-%d", FOLDER, getpid());
	own_fd fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, "%s '%s'", fd < 0 ? "create" : "lock", path);
	*ret = take_fd(&fd);
	return 0;
}

void serving_note(int fd, uint64_t left)
{
	if (pwrite(fd, &left, sizeof(left), 0) != sizeof(left))
		log_debug("lazy: how many pages are left cannot be noted");
}

void serving_end(int fd)
{
	char link[64], path[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return;
	path[n] = 0;
	unlink(path);
}

/* Whether somebody serves by this file; how much is left is added. One that nobody has locked is an old one. */
static bool serves(int folder, const char *name, uint64_t *left)
{
	own_fd fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t some = 0;

	if (fd < 0)
		return false;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
		unlinkat(folder, name, 0);
		return false;
	}
	if (pread(fd, &some, sizeof(some), 0) == sizeof(some))
		*left += some;
	return true;
}

/* Servers on this machine, whichever tree they are for. */
static bool anybody_serves(uint64_t *ret_left)
{
	own_dir folder = opendir(FOLDER);
	struct dirent *entry;
	bool any = false;

	*ret_left = 0;
	while (folder && (entry = readdir(folder)))
		if (strncmp(entry->d_name, "lazy-", 5) == 0)
			any |= serves(dirfd(folder), entry->d_name, ret_left);
	return any;
}

static bool misses_pages(int proc_fd)
{
	own_fd fd = openat(proc_fd, "smaps", O_RDONLY | O_CLOEXEC);
	own_file smaps = fd < 0 ? NULL : fdopen(fd, "r");
	own_mem char *line = NULL;
	size_t size = 0;

	if (!smaps)
		return false;
	take_fd(&fd);
	while (getline(&line, &size, smaps) > 0)
		if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " um"))
			return true;
	return false;
}

static int add_children(struct pids *all, int proc_fd, int pid, struct err *e)
{
	own_pids threads = { 0 }, children = { 0 };

	if (proc_threads(proc_fd, &threads, e) < 0 ||
	    proc_children(proc_fd, pid, &threads, &children, e) < 0)
		return e->code;
	for (size_t i = 0; i < children.count; i++) {
		if (io_grow(&all->pid, all->count, sizeof(*all->pid), e) < 0)
			return e->code;
		all->pid[all->count++] = children.pid[i];
	}
	return 0;
}

/* Processes that end meanwhile are of no interest. */
static bool tree_misses_pages(int tree)
{
	own_pids all = { 0 };
	struct err e = { 0 };

	if (io_grow(&all.pid, 0, sizeof(*all.pid), &e) < 0)
		return true;
	all.pid[all.count++] = tree;
	for (size_t i = 0; i < all.count; i++) {
		struct err ignored = { 0 };
		own_fd proc = -1;

		if (proc_open(all.pid[i], &proc, &ignored) < 0)
			continue;
		if (misses_pages(proc))
			return true;
		(void)!add_children(&all, proc, all.pid[i], &ignored);
	}
	return false;
}

int serving_await(int tree, unsigned int patience, struct err *e)
{
	uint64_t left, before = 0, since = io_now_us();
	int passes = 0;
	bool said = false;

	/* Once more: a child may have been born behind a look at its parent, which is complete by now. */
	while (anybody_serves(&left) && passes < PASSES) {
		passes = tree_misses_pages(tree) ? 0 : passes + 1;
		if (passes)
			continue;
		if (!said)
			log_info("waiting for the pages of a lazy restore");
		said = true;
		if (left != before)
			since = io_now_us();
		before = left;
		if (patience && io_now_us() - since > patience * 1000000UL) {
			err_code(e, ETIMEDOUT,
				 "%lu pages of a lazy restore are outstanding and do not come",
				 left);
			return err_hint(e, "the log of that restore says why");
		}
		usleep(LOOK_US);
	}
	return 0;
}
