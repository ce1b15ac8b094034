/*
 * Timers with a descriptor. What is saved is the time that is left, for absolute timers too.
 *
 * A periodic timer that has expired stands still in the kernel until somebody looks at it, and fdinfo does not look.
 * timerfd_gettime(2) does: it counts the periods that have passed and lets the timer go on, as a read would.
 */
#include "images/fd/timerfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>

#include "dump/files.h"
#include "lib/io.h"

static bool timerfd_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:[timerfd]") == 0;
}

/* Two numbers in parentheses: seconds and nanoseconds. */
static bool read_time(const char *text, const char *name, uint64_t *ret_sec, uint64_t *ret_nsec)
{
	const char *p = strstr(text, name);

	return p && sscanf(p + strlen(name), ": (%lu, %lu)", ret_sec, ret_nsec) == 2;
}

static int parse(const char *text, TimerfdEntry *ret, struct err *e)
{
	uint64_t clockid, settime;

	if (!files_number(text, "clockid", 10, &clockid) ||
	    !files_number(text, "ticks", 10, &ret->ticks) ||
	    !files_number(text, "settime flags", 8, &settime) ||
	    !read_time(text, "it_value", &ret->vsec, &ret->vnsec) ||
	    !read_time(text, "it_interval", &ret->isec, &ret->insec))
		return err_code(e, ENOTSUP, "this kernel does not tell its clock");
	ret->clockid = clockid;
	ret->settime_flags = settime;
	return 0;
}

static bool stands_still(const TimerfdEntry *tfd)
{
	return !tfd->vsec && !tfd->vnsec && (tfd->isec || tfd->insec) && tfd->ticks;
}

/* Ticks and the time left are of the same moment only when they come from the same text. */
static int timerfd_dump(struct file *f, FileEntry *entry, struct err *e)
{
	TimerfdEntry *tfd = pool_new(&f->dump->pool, TimerfdEntry);
	struct itimerspec left;
	char path[32];

	timerfd_entry__init(tfd);
	tfd->id = f->id;
	tfd->flags = f->flags;
	tfd->fown = f->fown;
	entry->tfd = tfd;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
	for (int tries = 0; tries < 100; tries++) {
		own_mem char *text = NULL;

		if (timerfd_gettime(f->fd, &left) < 0)
			return err_sys(e, "timerfd_gettime");
		if (io_slurp(AT_FDCWD, path, &text, NULL, e) < 0 || parse(text, tfd, e) < 0)
			return e->code;
		if (!stands_still(tfd))
			return 0;
	}
	/* Its period is shorter than the looking takes. */
	tfd->vsec = tfd->isec;
	tfd->vnsec = tfd->insec;
	return 0;
}

const struct fd_kind timerfd_fd_kind = {
	.name = "fd/timerfd",
	.type = FD_TYPES__TIMERFD,
	.match = timerfd_match,
	.dump = timerfd_dump,
};
