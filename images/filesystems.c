/* See filesystems.h. */
#include "images/filesystems.h"

#include <string.h>

#include "lib/own.h"

static const struct filesystem all[] = {
	{ "proc", FSTYPE__PROC, .shows = NS_PID },
	{ "sysfs", FSTYPE__SYSFS, .shows = NS_NET },
	{ "devtmpfs", FSTYPE__DEVTMPFS, .shows = NS_COUNT },
	{ "tmpfs", FSTYPE__TMPFS, .own = true, .contents = true, .shows = NS_COUNT },
	{ "devpts", FSTYPE__DEVPTS, .own = true, .shows = NS_COUNT },
	{ "pstore", FSTYPE__PSTORE, .shows = NS_COUNT },
	{ "securityfs", FSTYPE__SECURITYFS, .shows = NS_COUNT },
	{ "fusectl", FSTYPE__FUSECTL, .shows = NS_COUNT },
	{ "debugfs", FSTYPE__DEBUGFS, .shows = NS_COUNT },
	{ "tracefs", FSTYPE__TRACEFS, .shows = NS_COUNT },
	{ "cgroup", FSTYPE__CGROUP, .shows = NS_CGROUP },
	{ "cgroup2", FSTYPE__CGROUP2, .shows = NS_CGROUP },
	{ "mqueue", FSTYPE__MQUEUE, .shows = NS_IPC },
};

const struct filesystem *filesystem_by_name(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return &all[i];
	return NULL;
}

const struct filesystem *filesystem_by_type(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if ((uint32_t)all[i].type == type)
			return &all[i];
	return NULL;
}
