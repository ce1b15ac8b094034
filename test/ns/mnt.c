/*
 * A mount namespace of its own, as a container has it: a root below TEST_DIR/root that was changed to by pivot_root(2), and in it what
 * the cases mount. TEST_DIR itself is mounted there, too, under its own path.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

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

/* --- cases: set() before the dump, see() after it ---------------------------------------------- */

static void basic_set(void)
{
	make_dir("/mem");
	make_dir("/sub");
	put("/file", "of the root");
	SYS(mount("memory", "/mem", "tmpfs", MS_NOSUID, "size=1024k,mode=1777"));
	put("/mem/file", "in memory");
	SYS(mount("/sub", "/sub", NULL, MS_BIND, NULL));
	SYS(mount(NULL, "/sub", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOEXEC, NULL));
}

static void basic_see(void)
{
	struct statfs fs;

	holds("/file", "of the root");
	holds("/mem/file", "in memory");
	SYS(statfs("/mem", &fs));
	SAME(fs.f_blocks * (unsigned long)fs.f_bsize, 1024 * 1024);
	SAME(open("/sub/x", O_WRONLY | O_CREAT, 0644), -1);
	SAME(errno, EROFS);
}

static const struct {
	const char *name;
	void (*set)(void);
	void (*see)(void);
} cases[] = {
	{ "basic", basic_set, basic_see },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "basic";
	char before[16384], after[16384];
	size_t i = 0;

	dir = getenv("TEST_DIR");
	CHECK(dir);
	dir = strdup(dir);
	enter_root();
	while (i < sizeof(cases) / sizeof(cases[0]) && strcmp(cases[i].name, name) != 0)
		i++;
	CHECK(i < sizeof(cases) / sizeof(cases[0]), "no case '%s'", name);
	cases[i].set();
	list(before, sizeof(before));
	sort_lines(before);
	victim_ready();
	list(after, sizeof(after));
	sort_lines(after);
	CHECK(strcmp(before, after) == 0, "mounts were\n%sand are\n%s", before, after);
	cases[i].see();
	victim_ok();
}
