/* See threads.h. Nobody tells which number somebody of another namespace has here, so all of them are looked at. */
#include "lazy/threads.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/namespaces.h"
#include "lib/own.h"
#include "lib/proc.h"

static int find_in(int proc, int tid)
{
	own_pids threads = { 0 };
	struct err gone = { 0 };

	if (proc_threads(proc, &threads, &gone) < 0)
		return 0;
	for (size_t i = 0; i < threads.count; i++) {
		char path[48];
		int inner;

		snprintf(path, sizeof(path), "task/%d/status", threads.pid[i]);
		if (proc_inner(proc, path, "NSpid:", &inner, &gone) == 0 && inner == tid)
			return threads.pid[i];
	}
	return 0;
}

int thread_here(ino_t pid_ns, int tid)
{
	own_dir all = opendir("/proc");
	struct dirent *entry;
	int found = 0;

	while (all && !found && (entry = readdir(all))) {
		struct err gone = { 0 };
		own_fd proc = -1;

		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    proc_open(atoi(entry->d_name), &proc, &gone) == 0 &&
		    namespace_of(proc, "pid") == pid_ns)
			found = find_in(proc, tid);
	}
	return found;
}
