/* What /proc says about a process: its directory, stat, lists of threads and children. */
#ifndef STASIS_LIB_PROC_H
#define STASIS_LIB_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "lib/err.h"

/* Fields of /proc/PID/stat that are of use; names as in proc(5). */
struct proc_stat {
	char comm[64];
	char state;
	int ppid, pgrp, session;
	unsigned int tty; /* device of the controlling terminal, 0: none */
	int tty_pgrp;	  /* its foreground process group */
	unsigned int flags;
	int64_t nice;
	size_t threads;
	uint64_t start_time; /* clock ticks since boot */
	uint64_t start_code, end_code, start_stack;
	uint64_t start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_code; /* wait status */
};

/* The directory /proc/PID. */
must_check int proc_open(int pid, int *ret_fd, struct err *e);
must_check int proc_stat_read(int proc_fd, struct proc_stat *ret, struct err *e);
/* It has ended. */
static inline bool proc_stat_dead(const struct proc_stat *s)
{
	return s->state == 'Z' || s->state == 'X';
}
struct pids {
	int *pid;
	size_t count;
};

void proc_pids_free(struct pids *p);
#define own_pids __attribute__((cleanup(proc_pids_free))) struct pids

/* Tids of /proc/PID/task, ascending as the kernel lists them. */
must_check int proc_threads(int proc_fd, struct pids *ret, struct err *e);
/* Numbers of /proc/PID/fd. */
must_check int proc_descriptors(int proc_fd, struct pids *ret, struct err *e);
/* The children of a process whose threads stand still, zombies included. */
must_check int proc_children(int proc_fd, int pid, const struct pids *threads, struct pids *ret,
			     struct err *e);
/* The value behind "Name:\t" of /proc/PID/status as an unsigned number in the given base. */
must_check int proc_status_number(int proc_fd, const char *name, int base, uint64_t *ret,
				  struct err *e);
/* Until it has stopped for a signal that has been sent, or is gone; at most a second, since it may be held up. */
void proc_wait_stopped(int pid);
/* Who traces it and what it is called, for sentences: "pid 12 ('bash')". Never fails. */
const char *proc_name(int pid, char *buf, size_t size);

/* The last number of a line of a status file (path, below dir_fd): as the innermost pid namespace has it. key: "NSpid:". */
must_check int proc_inner(int dir_fd, const char *path, const char *key, int *ret, struct err *e);

#endif
