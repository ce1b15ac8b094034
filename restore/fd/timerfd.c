/*
 * Timers with a descriptor. They are armed at the very end: time spent restoring must not count against the
 * process. An absolute timer is armed for as long from now as was left.
 *
 * CLOCK_*_ALARM need a capability that the task may have lost by then, so these are armed by us.
 */
#include "images/fd/timerfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include "restore/files.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

enum { SECOND = 1000000000, LATE_ROOM = 2 };

/* More than that the kernel never tells, and the time that it is now can be added to. */
#define SECONDS_MAX (INT64_MAX / SECOND)

static int timerfd_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const TimerfdEntry *tfd = f->tfd;
	int fd;

	(void)r;
	if (tfd->vsec > SECONDS_MAX || tfd->isec > SECONDS_MAX || tfd->vnsec >= SECOND ||
	    tfd->insec >= SECOND)
		return err_say(e, "'files.img' has impossible times of it");
	fd = timerfd_create(tfd->clockid,
			    TFD_CLOEXEC | (tfd->flags & O_NONBLOCK ? TFD_NONBLOCK : 0));
	if (fd < 0) {
		err_sys(e, "timerfd_create(clock %u)", tfd->clockid);
		return e->code == -EPERM ? err_hint(e, "alarm clocks need CAP_WAKE_ALARM") :
					   e->code;
	}
	*ret_fd = fd;
	return 0;
}

/* What to arm it with, in value; false: it is not armed. */
static bool set_value(const TimerfdEntry *tfd, struct itimerspec *value)
{
	struct timespec now = { 0 };

	value->it_interval = (struct timespec){ tfd->isec, tfd->insec };
	value->it_value = (struct timespec){ tfd->vsec, tfd->vnsec };
	if (!tfd->vsec && !tfd->vnsec) {
		if (!tfd->ticks || (!tfd->isec && !tfd->insec))
			return false;
		value->it_value = value->it_interval; /* it had just expired */
	}
	if (!(tfd->settime_flags & TFD_TIMER_ABSTIME))
		return true;
	clock_gettime(tfd->clockid, &now);
	value->it_value.tv_sec += now.tv_sec;
	value->it_value.tv_nsec += now.tv_nsec;
	if (value->it_value.tv_nsec >= SECOND) {
		value->it_value.tv_nsec -= SECOND;
		value->it_value.tv_sec++;
	}
	return true;
}

static bool is_alarm(const TimerfdEntry *tfd)
{
	return tfd->clockid == CLOCK_REALTIME_ALARM || tfd->clockid == CLOCK_BOOTTIME_ALARM;
}

static int arm_here(const struct restore *r, const TimerfdEntry *tfd, bool armed,
		    const struct itimerspec *value, struct err *e)
{
	int fd = rfiles_fd(r, tfd->id);
	uint64_t ticks = tfd->ticks;

	if (armed && timerfd_settime(fd, tfd->settime_flags, value, NULL) < 0)
		return err_sys(e, "arm it");
	if (ticks && ioctl(fd, TFD_IOC_SET_TICKS, &ticks) < 0)
		return err_sys(e, "set its unread ticks");
	return 0;
}

static int timerfd_late(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e)
{
	const TimerfdEntry *tfd = f->tfd;
	struct itimerspec value;
	bool armed = set_value(tfd, &value);

	if (is_alarm(tfd))
		return arm_here(t->restore, tfd, armed, &value, e);
	if (armed)
		plan_call(p, plan_words(p, "arm fd %d (timerfd)", fd), SYS_timerfd_settime, ARG(fd),
			  ARG(tfd->settime_flags), DATA(p, plan_copy(p, &value, sizeof(value))));
	if (tfd->ticks)
		plan_call(p, plan_words(p, "set the unread ticks of fd %d (timerfd)", fd),
			  SYS_ioctl, ARG(fd), ARG(TFD_IOC_SET_TICKS),
			  DATA(p, plan_copy(p, &tfd->ticks, sizeof(tfd->ticks))));
	return 0;
}

static uint32_t timerfd_room(const FileEntry *f)
{
	(void)f;
	return LATE_ROOM;
}

const struct fd_restore_kind timerfd_fd_restore_kind = {
	.name = "fd/timerfd",
	.type = FD_TYPES__TIMERFD,
	.make = timerfd_make,
	.late = timerfd_late,
	.room = timerfd_room,
};
