/* Processes by other names than their numbers. */
#ifndef STASIS_LIB_TARGET_H
#define STASIS_LIB_TARGET_H

#include <sys/types.h>

#include "lib/err.h"

/*
 * A pid; the path of a pid file or of a cgroup's folder; a systemd unit ("redis.service"); or the name of a command that only
 * one process has, or one and its descendants.
 */
must_check int target_find(const char *name, pid_t *ret, struct err *e);

#endif
