/* Control groups; see cgroup.h. */
#include "lib/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

static int by_hierarchy(const void *a, const void *b)
{
	const struct cgroup_member *one = a, *other = b;

	return strcmp(one->hierarchy, other->hierarchy);
}

/* "4:memory:/a/b" */
static int parse_line(struct cgroup_member *ret, char *line, struct err *e)
{
	char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

	if (!path || path[1] != '/')
		return err_say(e, "the cgroups of a task are given as '%s'", line);
	*path = 0;
	*ret = (struct cgroup_member){ .hierarchy = names + 1, .path = path + 1 };
	return 0;
}

int cgroup_members_parse(struct cgroup_members *ret, struct pool *pool, const char *text,
			 struct err *e)
{
	char *copy = pool_text(pool, text), *line, *rest = copy;
	size_t room = 1;

	for (const char *c = text; *c; c++)
		room += *c == '\n';
	*ret = (struct cgroup_members){ .all = pool_array(pool, struct cgroup_member, room) };
	while ((line = strsep(&rest, "\n")))
		if (*line && parse_line(&ret->all[ret->count++], line, e) < 0)
			return e->code;
	if (ret->count)
		qsort(ret->all, ret->count, sizeof(*ret->all), by_hierarchy);
	return 0;
}

const struct cgroup_member *cgroup_member_find(const struct cgroup_members *m,
					       const char *hierarchy)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->all[i].hierarchy, hierarchy) == 0)
			return &m->all[i];
	return NULL;
}

static bool has_one(const char *joined, const char *name, size_t length)
{
	for (;;) {
		const char *end = strchrnul(joined, ',');

		if ((size_t)(end - joined) == length && memcmp(joined, name, length) == 0)
			return true;
		if (!*end)
			return false;
		joined = end + 1;
	}
}

bool cgroup_has(const char *joined, const char *names)
{
	for (;;) {
		const char *end = strchrnul(names, ',');

		if (!has_one(joined, names, end - names))
			return false;
		if (!*end)
			return true;
		names = end + 1;
	}
}

const struct cgroup_member *cgroup_member_like(const struct cgroup_members *m,
					       const char *hierarchy)
{
	for (size_t i = 0; i < m->count; i++)
		if (cgroup_has(m->all[i].hierarchy, hierarchy))
			return &m->all[i];
	return NULL;
}

bool cgroup_is_v2(const char *hierarchy)
{
	return !*hierarchy;
}

const char *cgroup_words(const char *hierarchy)
{
	return cgroup_is_v2(hierarchy) ? "cgroup v2" : hierarchy;
}

static int in_yard(const char *hierarchy, const char *yard, int *ret_fd, struct err *e)
{
	own_fd dir = open(yard, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *folder = strncmp(hierarchy, "name=", 5) == 0 ? hierarchy + 5 : hierarchy;

	if (dir < 0)
		return err_sys(e, "open '%s'", yard);
	*ret_fd = openat(dir, cgroup_is_v2(hierarchy) ? "unified" : folder,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, "open the hierarchy '%s' in '%s'", cgroup_words(hierarchy), yard);
	return 0;
}

/* The controllers are flags of the file system; one without any has a name. */
static int configure(int fs, const char *hierarchy)
{
	char names[256], *name, *rest = names;

	if (snprintf(names, sizeof(names), "%s", hierarchy) >= (int)sizeof(names))
		return -1;
	while (!cgroup_is_v2(hierarchy) && (name = strsep(&rest, ","))) {
		int r = strncmp(name, "name=", 5) == 0 ?
				fsconfig(fs, FSCONFIG_SET_FLAG, "none", NULL, 0) |
					fsconfig(fs, FSCONFIG_SET_STRING, "name", name + 5, 0) :
				fsconfig(fs, FSCONFIG_SET_FLAG, name, NULL, 0);

		if (r < 0)
			return -1;
	}
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* A mount that nobody else sees, and that goes with the descriptor. */
static int mount_alone(const char *hierarchy)
{
	own_fd fs = fsopen(cgroup_is_v2(hierarchy) ? "cgroup2" : "cgroup", FSOPEN_CLOEXEC);
	own_fd mounted = -1;

	if (fs < 0 || configure(fs, hierarchy) < 0)
		return -1;
	mounted = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return mounted < 0 ? -1 : openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Without the right to mount: where systems have them. */
static int usual_place(const char *hierarchy)
{
	struct err ignored = { 0 };
	int fd = -1;

	if (in_yard(hierarchy, "/sys/fs/cgroup", &fd, &ignored) == 0)
		return fd;
	return cgroup_is_v2(hierarchy) && access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0 ?
		       open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
		       -1;
}

int cgroup_open(const char *hierarchy, const char *yard, int *ret_fd, struct err *e)
{
	int error;

	if (yard)
		return in_yard(hierarchy, yard, ret_fd, e);
	*ret_fd = mount_alone(hierarchy);
	if (*ret_fd >= 0)
		return 0;
	error = errno;
	*ret_fd = usual_place(hierarchy);
	if (*ret_fd >= 0)
		return 0;
	errno = error;
	return err_sys(e, "mount the cgroup hierarchy '%s'", cgroup_words(hierarchy));
}

bool cgroup_says(int dir, const char *file, const char *word)
{
	struct err ignored = { 0 };
	own_mem char *text = NULL;

	return io_slurp(dir, file, &text, NULL, &ignored) == 0 && strstr(text, word);
}

bool cgroup_is_frozen(int root_fd, const char *hierarchy, const char *path)
{
	own_fd dir = openat(root_fd, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return false;
	if (!cgroup_is_v2(hierarchy))
		return cgroup_says(dir, "freezer.state", "FR");
	return cgroup_says(dir, "cgroup.events", "frozen 1");
}
