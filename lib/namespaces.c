/* See namespaces.h. */
#include "lib/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
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

int namespace_enter_user(int fd)
{
	if (setns(fd, CLONE_NEWUSER) < 0)
		return -1;
	return syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0 ? -1 : 0;
}

/* In the child: makes it when it is told to, says how that went, and stays until it is let go, or we are no more. */
static _Noreturn void live(const struct namespace_birth *b, int line)
{
	unsigned char code;

	if (read(line, &code, 1) == 1) {
		code = b->user_fd >= 0 && namespace_enter_user(b->user_fd) < 0 ? errno : 0;
		code = code ? code : (unsigned char)b->make(b->arg);
		if (write(line, &code, 1) == 1)
			(void)!read(line, &code, 1);
	}
	_exit(0);
}

static int bear(const struct namespace_birth *b, int child, int line, int *ret_fd, struct err *e)
{
	unsigned char code = 0;
	char path[48];

	if ((b->before && b->before(b->arg, child, e) < 0) ||
	    io_write(line, &code, 1, "the line to a child of ours", e) < 0 ||
	    io_read(line, &code, 1, "the word of a child of ours", e) < 0)
		return e->code;
	if (code)
		return err_res(e, -(int)code, "make a namespace (%s)", b->link);
	if (b->after && b->after(b->arg, child, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", child, b->link);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int namespace_make(const struct namespace_birth *b, int *ret_fd, struct err *e)
{
	int ends[2] = { -1, -1 }, r;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "socketpair");
	child = fork();
	if (child == 0) {
		close(ends[0]);
		live(b, ends[1]);
	}
	close(ends[1]);
	r = child < 0 ? err_sys(e, "fork") : bear(b, child, ends[0], ret_fd, e);
	close(ends[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int namespace_visit(enum ns kind, int fd, int (*run)(void *arg, struct err *e), void *arg,
		    struct err *e)
{
	const struct namespace_kind *k = &namespace_kinds[kind];
	struct err back = { 0 };
	char path[48];
	int r;

	snprintf(path, sizeof(path), "/proc/thread-self/ns/%s", k->name);
	own_fd home = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return err_sys(e, "open '%s'", path);
	if (setns(fd, (int)k->flag) < 0)
		return err_sys(e, "enter a %s namespace", k->name);
	r = run(arg, e);
	if (setns(home, (int)k->flag) == 0)
		return r;
	err_sys(&back, "come back from a %s namespace", k->name);
	*e = back;
	return e->code;
}
