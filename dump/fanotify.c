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

static int check_process(int pid, struct err *e)
{
	char path[64], link[sizeof(FANOTIFY_LINK)];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	own_dir dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));

		if (n == sizeof(link) - 1 && memcmp(link, FANOTIFY_LINK, n) == 0 &&
		    check_number(pid, entry->d_name, e) < 0)
			return e->code;
	}
	return 0;
}

static int check_children(const char *path, struct err *e)
{
	own_mem char *text = NULL;
	struct err ignored = { 0 };

	if (io_slurp(AT_FDCWD, path, &text, NULL, &ignored) < 0)
		return 0;
	for (char *p = text, *end; *p; p = end) {
		int child = (int)strtol(p, &end, 10);

		if (end == p)
			break;
		end += strspn(end, " \n");
		if (fanotify_check_tree(child, e) < 0)
			return e->code;
	}
	return 0;
}

int fanotify_check_tree(int pid, struct err *e)
{
	char path[600];
	struct dirent *entry;

	if (check_process(pid, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	own_dir dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pid, entry->d_name);
		if (check_children(path, e) < 0)
			return e->code;
	}
	return 0;
}
