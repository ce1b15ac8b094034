/*
 * See timens.h. A time namespace gets its offsets before anybody lives in it, and whoever calls unshare() does not: only children
 * will. So a child makes it, and is held by us until we have opened what it has made.
 */
#include "lib/timens.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/io.h"
#include "lib/own.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define SECOND 1000000000L

static int read_line(const char *text, const char *clock, struct timespec *ret, struct err *e)
{
	const char *line = strstr(text, clock);

	if (line && sscanf(line + strlen(clock), "%ld %ld", &ret->tv_sec, &ret->tv_nsec) == 2)
		return 0;
	return err_say(e, "/proc/PID/timens_offsets has an unknown form: '%s'", text);
}

int timens_read(int proc_fd, struct timens *ret, struct err *e)
{
	own_mem char *text = NULL;

	*ret = (struct timens){ 0 };
	if (io_slurp(proc_fd, "timens_offsets", &text, NULL, e) < 0)
		return e->code == -ENOENT ? 0 : e->code;
	if (read_line(text, "monotonic", &ret->monotonic, e) < 0)
		return e->code;
	return read_line(text, "boottime", &ret->boottime, e);
}

void timens_clocks(struct timens *ret)
{
	clock_gettime(CLOCK_MONOTONIC, &ret->monotonic);
	clock_gettime(CLOCK_BOOTTIME, &ret->boottime);
}

static void add(struct timespec *a, const struct timespec *b, int sign)
{
	a->tv_sec += sign * b->tv_sec;
	a->tv_nsec += sign * b->tv_nsec;
	if (a->tv_nsec >= SECOND) {
		a->tv_nsec -= SECOND;
		a->tv_sec++;
	} else if (a->tv_nsec < 0) {
		a->tv_nsec += SECOND;
		a->tv_sec--;
	}
}

void timens_add(struct timens *a, const struct timens *b)
{
	add(&a->monotonic, &b->monotonic, 1);
	add(&a->boottime, &b->boottime, 1);
}

void timens_subtract(struct timens *a, const struct timens *b)
{
	add(&a->monotonic, &b->monotonic, -1);
	add(&a->boottime, &b->boottime, -1);
}

/* In the child: an errno, 0 when it is made. */
static int make(const char *offsets)
{
	struct err ignored = { 0 };

	if (unshare(CLONE_NEWTIME) < 0)
		return errno;
	return -io_put(AT_FDCWD, "/proc/self/timens_offsets", offsets, &ignored);
}

/* In the child: says how it went, and stays until the other end is closed. */
static void live(const char *offsets, int say, int stay)
{
	unsigned char code = make(offsets);
	char end;

	if (write(say, &code, 1) == 1)
		(void)!read(stay, &end, 1);
	_exit(0);
}

static int fetch(pid_t child, int hear, int *ret_fd, struct err *e)
{
	unsigned char code;
	char path[48];

	if (io_read(hear, &code, 1, "the word of a child of ours", e) < 0)
		return e->code;
	if (code) {
		err_res(e, -(int)code, "make a time namespace");
		return code == ERANGE ? err_hint(e, "its clocks would be below zero here") :
					e->code;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/time_for_children", child);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int timens_make(const struct timens *offsets, int *ret_fd, struct err *e)
{
	char text[128];
	int say[2] = { -1, -1 }, stay[2] = { -1, -1 }, r;
	pid_t child;

	snprintf(text, sizeof(text), "monotonic %ld %ld\nboottime %ld %ld\n",
		 offsets->monotonic.tv_sec, offsets->monotonic.tv_nsec, offsets->boottime.tv_sec,
		 offsets->boottime.tv_nsec);
	if (pipe2(say, O_CLOEXEC) < 0 || pipe2(stay, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd hear = say[0];
	own_fd hold = stay[1];
	child = fork();
	if (child == 0) {
		close(stay[1]);
		live(text, say[1], stay[0]);
	}
	close(say[1]);
	close(stay[0]);
	if (child < 0)
		return err_sys(e, "fork");
	r = fetch(child, hear, ret_fd, e);
	own_close(&hold);
	hold = -1;
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}
