/* A program in a mount namespace of its own, with a root below TEST_DIR/root. TEST_DIR itself is mounted there, too, under its own path. */
#ifndef STASIS_TEST_ROOTED_H
#define STASIS_TEST_ROOTED_H

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

static const char *dir; /* TEST_DIR */

static const char *text(const char *path, char *buf, size_t size)
{
	int fd = SYS(open(path, O_RDONLY));
	ssize_t n = SYS(read(fd, buf, size - 1));

	close(fd);
	buf[n] = 0;
	return buf;
}

static void holds(const char *path, const char *what)
{
	char buf[256];

	CHECK(strcmp(text(path, buf, sizeof(buf)), what) == 0, "'%s' holds '%s'", path, buf);
}

static void put(const char *path, const char *what)
{
	int fd = SYS(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	SAME(write(fd, what, strlen(what)), strlen(what));
	close(fd);
}

/* Numbers of groups count up from the first that is met. */
static void rename_groups(char *line)
{
	for (char *at = line; (at = strpbrk(at, "sm")); at++) {
		if (strncmp(at, "shared:", 7) != 0 && strncmp(at, "master:", 7) != 0)
			continue;
		for (char *digit = at + 7; *digit >= '0' && *digit <= '9'; digit++)
			*digit = 'N';
	}
}

/* Numbers of mounts and of devices are others after a restore; all else of the list is as it was. */
static void list(char *ret, size_t size)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[1024];
	size_t n = 0;

	CHECK(f);
	ret[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		int from = 0;

		sscanf(line, "%*d %*d %*d:%*d %n", &from);
		rename_groups(line);
		n += (size_t)snprintf(ret + n, size - n, "%s", line + from);
		CHECK(n < size);
	}
	fclose(f);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The kernel lists them in the order in which they came. */
static void sort_lines(char *text)
{
	char *lines[256], *copy = strdup(text), *save = NULL, *to = text;
	size_t n = 0;

	for (char *l = strtok_r(copy, "\n", &save); l && n < 256; l = strtok_r(NULL, "\n", &save))
		lines[n++] = l;
	qsort(lines, n, sizeof(*lines), by_text);
	for (size_t i = 0; i < n; i++)
		to += sprintf(to, "%s\n", lines[i]);
	free(copy);
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		victim_fail(__FILE__, __LINE__, path, "%s", strerror(errno));
}

static void make_dirs(const char *path)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *c = copy + 1; (c = strchr(c, '/')); *c++ = '/') {
		*c = 0;
		make_dir(copy);
	}
	make_dir(copy);
}

static void enter_root(void)
{
	char root[256], inside[512];

	snprintf(root, sizeof(root), "%s/root", dir);
	snprintf(inside, sizeof(inside), "%s%s", root, dir);
	make_dirs(inside);
	if (unshare(CLONE_NEWNS) < 0)
		victim_skip("no mount namespace can be made");
	SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	SYS(mount(root, root, NULL, MS_BIND, NULL));
	SYS(mount(dir, inside, NULL, MS_BIND, NULL));
	SYS(chdir(root));
	SYS(syscall(SYS_pivot_root, ".", "."));
	SYS(umount2(".", MNT_DETACH));
	SYS(chdir("/"));
	make_dir("/proc");
	SYS(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
}

/* Others mount and unmount outside all the while: what is none of these goes. */
static void unmount_others(void)
{
	static const char *const stay[] = { "/", "/dev", "/dev/shm", "/proc", "/tmp" };
	char at[256][256];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int n = 0;

	CHECK(f);
	while (n < 256 && fscanf(f, "%*d %*d %*s %*s %255s %*[^\n]", at[n]) == 1)
		n++;
	fclose(f);
	while (n-- > 0) {
		size_t i = 0;

		while (i < 5 && strcmp(stay[i], at[n]) != 0 &&
		       strncmp(at[n], dir, strlen(dir)) != 0)
			i++;
		if (i == 5)
			(void)umount2(at[n], MNT_DETACH);
	}
}

/* Nothing but a namespace of its own, with what was mounted outside, as a slave of it, shared with it, or private. */
static void leave_ours(const char *how)
{
	if (unshare(CLONE_NEWNS) < 0)
		victim_skip("no mount namespace can be made");
	if (strcmp(how, "shared") != 0)
		SYS(mount(NULL, "/", NULL,
			  MS_REC | (strcmp(how, "private") == 0 ? MS_PRIVATE : MS_SLAVE), NULL));
	unmount_others();
}

#endif
