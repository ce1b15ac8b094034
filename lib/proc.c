/* What /proc says about a process; see proc.h. */
#include "lib/proc.h"

#include <errno.h>
#include <fcntl.h>
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

int proc_threads(int proc_fd, int **ret, size_t *ret_count, struct err *e)
{
	own_mem int *tids = NULL;
	struct dirent *d;
	size_t n = 0;
	int fd = openat(proc_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		return err_sys(e, "open '/proc/PID/task'");
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		if (io_grow(&tids, n, sizeof(*tids), e) < 0)
			return e->code;
		tids[n++] = atoi(d->d_name);
	}
	*ret = take_mem(tids);
	*ret_count = n;
	return 0;
}

int proc_children(int proc_fd, int tid, int **pids, size_t *count, struct err *e)
{
	own_mem char *text = NULL;
	char path[64], *p, *save = NULL;

	snprintf(path, sizeof(path), "task/%d/children", tid);
	if (io_slurp(proc_fd, path, &text, NULL, e) < 0)
		return e->code == -ENOENT || e->code == -ESRCH ? 0 : e->code;
	for (p = strtok_r(text, " \n", &save); p; p = strtok_r(NULL, " \n", &save)) {
		if (io_grow(pids, *count, sizeof(**pids), e) < 0)
			return e->code;
		(*pids)[(*count)++] = atoi(p);
	}
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
