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

#include "lib/io.h"
#include "lib/namespaces.h"
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

/* In the child. */
static int make(void *offsets)
{
	struct err ignored = { 0 };

	if (unshare(CLONE_NEWTIME) < 0)
		return errno;
	return -io_put(AT_FDCWD, "/proc/self/timens_offsets", offsets, &ignored);
}

int timens_make(const struct timens *offsets, int user_fd, int *ret_fd, struct err *e)
{
	char text[128];
	const struct namespace_birth b = { "time_for_children", user_fd, NULL, make, NULL, text };

	snprintf(text, sizeof(text), "monotonic %ld %ld\nboottime %ld %ld\n",
		 offsets->monotonic.tv_sec, offsets->monotonic.tv_nsec, offsets->boottime.tv_sec,
		 offsets->boottime.tv_nsec);
	if (namespace_make(&b, ret_fd, e) == -ERANGE)
		err_hint(e, "its clocks would be below zero here");
	return e->code;
}
