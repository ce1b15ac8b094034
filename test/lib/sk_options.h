/* Options of sockets whose value is a number: set, and as they were. */
#ifndef STASIS_TEST_SK_OPTIONS_H
#define STASIS_TEST_SK_OPTIONS_H

#include <sys/socket.h>

#include "test/lib/victim.h"

static inline void set(int fd, int level, int name, int value)
{
	SYS(setsockopt(fd, level, name, &value, sizeof(value)));
}

static inline void is(int fd, int level, int name, int value)
{
	int now = 0;
	socklen_t size = sizeof(now);

	SYS(getsockopt(fd, level, name, &now, &size));
	CHECK(now == value, "option %d of level %d of fd %d is %d, was %d", name, level, fd, now,
	      value);
}

#endif
