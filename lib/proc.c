/* What /proc says about a process; see proc.h. */
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/io.h"
#include "lib/own.h"

int proc_open(int pid, int *ret_fd, struct err *e)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_code(e, ESRCH, "there is no process %d", pid);
	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	*ret_fd = fd;
	return 0;
}

/* With more, and few processes, it is quicker to look at all processes than at the children of each thread. */
enum { MANY_THREADS = 64 };

enum { STAT_FIELDS = 53 }; /* numbered from 1 as in proc(5) */

/* The command is in parentheses and may hold anything, so fields are counted from the last ')'. */
static int split_stat(char *text, const char *field[STAT_FIELDS])
{
	char *p = strrchr(text, ')'), *save = NULL;
	int n = 3;

	if (!p)
		return -1;
	*p = 0;
	for (p = strtok_r(p + 1, " \n", &save); p && n < STAT_FIELDS;
	     p = strtok_r(NULL, " \n", &save))
		field[n++] = p;
	return n < STAT_FIELDS ? -1 : 0;
}

int proc_stat_read(int proc_fd, struct proc_stat *ret, struct err *e)
{
	const char *f[STAT_FIELDS];
	own_mem char *text = NULL;
	char *open;

	if (io_slurp(proc_fd, "stat", &text, NULL, e) < 0)
		return err_on(e, "/proc/PID");
	open = strchr(text, '(');
	if (!open || split_stat(text, f) < 0)
		return err_say(e, "/proc/PID/stat has an unknown form");
#define NUMBER(n) strtoull(f[n], NULL, 10)
	*ret = (struct proc_stat){
		.state = f[3][0],
		.ppid = atoi(f[4]),
		.pgrp = atoi(f[5]),
		.session = atoi(f[6]),
		.tty = atoi(f[7]),
		.tty_pgrp = atoi(f[8]),
		.flags = NUMBER(9),
		.nice = atoll(f[19]),
		.threads = NUMBER(20),
		.start_time = NUMBER(22),
		.start_code = NUMBER(26),
		.end_code = NUMBER(27),
		.start_stack = NUMBER(28),
		.start_data = NUMBER(45),
		.end_data = NUMBER(46),
		.start_brk = NUMBER(47),
		.arg_start = NUMBER(48),
		.arg_end = NUMBER(49),
		.env_start = NUMBER(50),
		.env_end = NUMBER(51),
		.exit_code = atoi(f[52]),
	};
#undef NUMBER
	snprintf(ret->comm, sizeof(ret->comm), "%s", open + 1);
	return 0;
}

void proc_pids_free(struct pids *p)
{
	free(p->pid);
	*p = (struct pids){ 0 };
}

static int add(struct pids *p, int pid, struct err *e)
{
	if (io_grow(&p->pid, p->count, sizeof(*p->pid), e) < 0)
		return e->code;
	p->pid[p->count++] = pid;
	return 0;
}

/* Entries of the directory that are numbers. */
static int numbers(int dir_fd, const char *path, struct pids *ret, struct err *e)
{
	own_pids found = { 0 };
	struct dirent *d;
	int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(e, "open '%s' in /proc", path);
	while ((d = readdir(dir)))
		if (d->d_name[0] >= '0' && d->d_name[0] <= '9' &&
		    add(&found, atoi(d->d_name), e) < 0)
			return e->code;
	*ret = found;
	found.pid = NULL;
	return 0;
}

int proc_threads(int proc_fd, struct pids *ret, struct err *e)
{
	return numbers(proc_fd, "task", ret, e);
}

int proc_descriptors(int proc_fd, struct pids *ret, struct err *e)
{
	return numbers(proc_fd, "fd", ret, e);
}

/* Adds those that one thread has made. */
static int thread_children(int proc_fd, int tid, struct pids *found, struct err *e)
{
	own_mem char *text = NULL;
	char path[64], *p, *save = NULL;

	snprintf(path, sizeof(path), "task/%d/children", tid);
	if (io_slurp(proc_fd, path, &text, NULL, e) < 0)
		return e->code == -ENOENT || e->code == -ESRCH ? 0 : e->code;
	for (p = strtok_r(text, " \n", &save); p; p = strtok_r(NULL, " \n", &save))
		if (add(found, atoi(p), e) < 0)
			return e->code;
	return 0;
}

static bool is_child(int pid, int parent)
{
	struct proc_stat stat;
	struct err gone = { 0 };
	own_fd fd = -1;

	return proc_open(pid, &fd, &gone) == 0 && proc_stat_read(fd, &stat, &gone) == 0 &&
	       stat.ppid == parent;
}

int proc_children(int proc_fd, int pid, const struct pids *threads, struct pids *ret, struct err *e)
{
	own_pids all = { 0 }, found = { 0 };
	int r = 0;

	if (threads->count > MANY_THREADS && numbers(AT_FDCWD, "/proc", &all, e) < 0)
		return e->code;
	if (all.count && all.count < threads->count / 2) {
		for (size_t i = 0; i < all.count && r == 0; i++)
			r = is_child(all.pid[i], pid) ? add(&found, all.pid[i], e) : 0;
	} else {
		for (size_t i = 0; i < threads->count && r == 0; i++)
			r = thread_children(proc_fd, threads->pid[i], &found, e);
	}
	if (r < 0)
		return r;
	*ret = found;
	found.pid = NULL;
	return 0;
}

int proc_status_number(int proc_fd, const char *name, int base, uint64_t *ret, struct err *e)
{
	own_mem char *text = NULL;
	char want[64], *p;

	if (io_slurp(proc_fd, "status", &text, NULL, e) < 0)
		return e->code;
	snprintf(want, sizeof(want), "\n%s:", name);
	p = strstr(text, want);
	if (!p)
		return err_say(e, "/proc/PID/status has no line '%s'", name);
	*ret = strtoull(p + strlen(want), NULL, base);
	return 0;
}

void proc_wait_stopped(int pid)
{
	const struct timespec pause = { .tv_nsec = 100000 };
	struct proc_stat stat;
	struct err ignored = { 0 };
	own_fd proc = -1;

	if (proc_open(pid, &proc, &ignored) < 0)
		return;
	for (int i = 0; i < 10000; i++) {
		if (proc_stat_read(proc, &stat, &ignored) < 0 || strchr("TtZX", stat.state))
			return;
		nanosleep(&pause, NULL);
	}
}

const char *proc_name(int pid, char *buf, size_t size)
{
	own_mem char *text = NULL;
	char path[32];
	struct err ignored = { 0 };

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (io_slurp(AT_FDCWD, path, &text, NULL, &ignored) < 0) {
		snprintf(buf, size, "pid %d", pid);
		return buf;
	}
	text[strcspn(text, "\n")] = 0;
	snprintf(buf, size, "pid %d ('%s')", pid, text);
	return buf;
}

int proc_inner(int dir_fd, const char *path, const char *key, int *ret, struct err *e)
{
	own_mem char *text = NULL;
	char *line, *last;

	if (io_slurp(dir_fd, path, &text, NULL, e) < 0)
		return e->code;
	line = strstr(text, key);
	if (!line)
		return err_say(e, "'%s' in /proc has no line '%s'", path, key);
	line[strcspn(line, "\n")] = 0;
	last = strrchr(line, '\t');
	*ret = last ? atoi(last) : 0;
	return 0;
}
