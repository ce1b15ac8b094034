/* Processes by other names; see target.h. */
#include "lib/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/proc.h"

#define CGROUPS "/sys/fs/cgroup"

static bool all_digits(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

static int number(const char *text, const char *name, pid_t *ret, struct err *e)
{
	char *end;
	long pid = strtol(text, &end, 10);

	while (isspace((unsigned char)*end))
		end++;
	if (end == text || *end || pid < 1 || pid > INT_MAX)
		return err_say(e, "'%s' has no pid in it", name);
	*ret = pid;
	return 0;
}

static int from_pidfile(const char *path, pid_t *ret, struct err *e)
{
	own_mem char *text = NULL;
	size_t size;

	if (io_slurp(AT_FDCWD, path, &text, &size, e) < 0)
		return e->code;
	return number(text, path, ret, e);
}

static int parent_of(int pid)
{
	struct err ignored = { 0 };
	struct proc_stat stat;
	own_fd proc = -1;

	if (proc_open(pid, &proc, &ignored) < 0 || proc_stat_read(proc, &stat, &ignored) < 0)
		return 0;
	return stat.ppid;
}

static bool is_among(const struct pids *p, int pid)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->pid[i] == pid)
			return true;
	return false;
}

static bool descends_from(const struct pids *p, int pid)
{
	for (int up = parent_of(pid); up > 1; up = parent_of(up))
		if (is_among(p, up))
			return true;
	return false;
}

/* The one that all others descend from. */
static int choose_root(const struct pids *p, const char *what, pid_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (descends_from(p, p->pid[i]))
			continue;
		if (*ret)
			return err_say(e, "%s are several trees: pid %d, pid %d; name one", what,
				       *ret, p->pid[i]);
		*ret = p->pid[i];
	}
	return *ret ? 0 : err_code(e, ESRCH, "%s: there is no such process", what);
}

static int add(struct pids *p, int pid, struct err *e)
{
	if (io_grow(&p->pid, p->count, sizeof(*p->pid), e) < 0)
		return e->code;
	p->pid[p->count++] = pid;
	return 0;
}

/* --- cgroups -------------------------------------------------------------------------------------- */

static int add_cgroup(int dir_fd, struct pids *p, struct err *e)
{
	own_mem char *text = NULL;
	own_fd copy = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	size_t size;

	if (!dir)
		return err_sys(e, "read the cgroup");
	take_fd(&copy);
	if (io_slurp(dir_fd, "cgroup.procs", &text, &size, e) < 0)
		return e->code;
	for (char *at = text, *end; *at; at = end + (*end == '\n')) {
		long pid = strtol(at, &end, 10);

		if (end == at)
			break;
		if (pid > 0 && add(p, pid, e) < 0)
			return e->code;
	}
	while ((entry = readdir(dir))) {
		own_fd sub = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		sub = openat(dir_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub >= 0 && add_cgroup(sub, p, e) < 0)
			return e->code;
	}
	return 0;
}

static int from_cgroup(const char *path, pid_t *ret, struct err *e)
{
	own_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char what[PATH_MAX + 20];
	own_pids p = { 0 };

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	snprintf(what, sizeof(what), "the processes of '%s'", path);
	return add_cgroup(fd, &p, e) < 0 ? e->code : choose_root(&p, what, ret, e);
}

/* Units are folders of cgroups, somewhere. */
static bool find_folder(const char *top, const char *name, char *ret, int depth)
{
	own_dir dir = opendir(top);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", top, entry->d_name) >= PATH_MAX)
			continue;
		if (strcmp(entry->d_name, name) == 0) {
			strcpy(ret, path);
			return true;
		}
		if (depth && find_folder(path, name, ret, depth - 1))
			return true;
	}
	return false;
}

static int from_unit(const char *name, pid_t *ret, struct err *e)
{
	char path[PATH_MAX];

	if (!find_folder(CGROUPS, name, path, 6))
		return err_code(e, ESRCH, "the unit '%s' does not run", name);
	return from_cgroup(path, ret, e);
}

static bool is_unit(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (strcmp(dot, ".service") == 0 || strcmp(dot, ".scope") == 0);
}

/* --- commands ------------------------------------------------------------------------------------- */

static bool has_name(int pid, const char *name)
{
	struct err ignored = { 0 };
	struct proc_stat stat;
	own_fd proc = -1;

	return proc_open(pid, &proc, &ignored) == 0 && proc_stat_read(proc, &stat, &ignored) == 0 &&
	       !proc_stat_dead(&stat) && strcmp(stat.comm, name) == 0;
}

static int from_command(const char *name, pid_t *ret, struct err *e)
{
	own_dir dir = opendir("/proc");
	char what[PATH_MAX + 20];
	struct dirent *entry;
	own_pids p = { 0 };

	if (!dir)
		return err_sys(e, "read '/proc'");
	while ((entry = readdir(dir)))
		if (all_digits(entry->d_name) && has_name(atoi(entry->d_name), name) &&
		    add(&p, atoi(entry->d_name), e) < 0)
			return e->code;
	snprintf(what, sizeof(what), "the processes called '%s'", name);
	return choose_root(&p, what, ret, e);
}

int target_find(const char *name, pid_t *ret, struct err *e)
{
	struct stat st;

	if (all_digits(name))
		return number(name, name, ret, e);
	if (strchr(name, '/') && stat(name, &st) < 0)
		return err_sys(e, "open '%s'", name);
	if (strchr(name, '/'))
		return S_ISDIR(st.st_mode) ? from_cgroup(name, ret, e) : from_pidfile(name, ret, e);
	return is_unit(name) ? from_unit(name, ret, e) : from_command(name, ret, e);
}
