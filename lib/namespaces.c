/* See namespaces.h. */
#include "lib/namespaces.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lib/own.h"
#include "lib/thread.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

const struct namespace_kind namespace_kinds[] = {
	[NS_PID] = { "pid", CLONE_NEWPID, 1 },	  [NS_NET] = { "net", CLONE_NEWNET, 2 },
	[NS_IPC] = { "ipc", CLONE_NEWIPC, 3 },	  [NS_UTS] = { "uts", CLONE_NEWUTS, 4 },
	[NS_TIME] = { "time", CLONE_NEWTIME, 5 }, [NS_MNT] = { "mnt", CLONE_NEWNS, 6 },
	[NS_USER] = { "user", CLONE_NEWUSER, 7 }, [NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP, 8 },
};
const size_t namespace_kind_count = ARRAY_SIZE(namespace_kinds);

ino_t namespace_of(int proc_fd, const char *name)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "ns/%s", name);
	return fstatat(proc_fd, path, &st, 0) < 0 ? 0 : st.st_ino;
}

struct visit {
	const int *fds;
	size_t count;
	int (*run)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int result;
};

/* Mount namespaces are entered by whoever shares its directories with nobody. */
static int enter_and_run(const struct visit *v)
{
	if (unshare(CLONE_FS) < 0)
		return err_sys(v->e, "unshare the current directory");
	for (size_t i = 0; i < v->count; i++)
		if (setns(v->fds[i], 0) < 0)
			return err_sys(v->e, "enter a namespace");
	return v->run(v->arg, v->e);
}

static void *work(void *arg)
{
	struct visit *v = arg;

	v->result = enter_and_run(v);
	return NULL;
}

int namespace_run(const int *fds, size_t count, int (*run)(void *arg, struct err *e), void *arg,
		  struct err *e)
{
	struct visit v = { fds, count, run, arg, e, 0 };
	pthread_t thread;
	int r = thread_start(&thread, work, &v);

	if (r != 0)
		return err_res(e, -r, "start a thread");
	pthread_join(thread, NULL);
	return v.result;
}
