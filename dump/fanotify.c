/*
 * See fanotify.h. If such a process were stopped, the first file that we open below one of its marks would wait for its answer,
 * and it for us.
 */
#include "dump/fanotify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/proc.h"

#define URING_LINK "anon_inode:[io_uring]"

int fanotify_refuse(struct err *e)
{
	err_code(e, ENOTSUP,
		 "it decides over accesses of others (permission events), and cannot "
		 "answer while it is stopped");
	return err_hint(e, "let the program remove these marks before the dump");
}

static int check_number(int pid, const char *num, struct err *e)
{
	own_mem char *text = NULL;
	struct err ignored = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.20s", pid, num);
	if (io_slurp(AT_FDCWD, path, &text, NULL, &ignored) < 0 || !fanotify_decides(text))
		return 0;
	fanotify_refuse(e);
	return err_on(e, "fd %s (fanotify) of pid %d", num, pid);
}

static int check_process(int pid, struct fanotify_seen *seen, struct err *e)
{
	char path[64], link[sizeof(FANOTIFY_LINK)];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	own_dir dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));

		seen->descriptors++;
		seen->rings |= n == sizeof(URING_LINK) - 1 && memcmp(link, URING_LINK, n) == 0;
		if (n == sizeof(link) - 1 && memcmp(link, FANOTIFY_LINK, n) == 0 &&
		    check_number(pid, entry->d_name, e) < 0)
			return e->code;
	}
	return 0;
}

/* Whoever is gone meanwhile decides nothing. */
int fanotify_check_tree(int pid, struct fanotify_seen *seen, struct err *e)
{
	own_pids threads = { 0 }, children = { 0 };
	struct err ignored = { 0 };
	own_fd proc = -1;

	if (check_process(pid, seen, e) < 0)
		return e->code;
	if (proc_open(pid, &proc, &ignored) < 0 || proc_threads(proc, &threads, &ignored) < 0 ||
	    proc_children(proc, pid, &threads, &children, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < children.count; i++)
		if (fanotify_check_tree(children.pid[i], seen, e) < 0)
			return e->code;
	return 0;
}
