/*
 * A mount namespace of its own, as a container has it: a root below TEST_DIR/root that was changed to by pivot_root(2), and in it what
 * the cases mount. TEST_DIR itself is mounted there, too, under its own path.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "test/lib/rooted.h"

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

/* What tar(1) and the kernel can hold. */
static void contents_set(void)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	int fd;

	make_dir("/mem");
	SYS(mount("memory", "/mem", "tmpfs", 0, "mode=751,uid=7"));
	make_dirs("/mem/a/b");
	put("/mem/a/b/file", "one");
	SYS(link("/mem/a/b/file", "/mem/a/other"));
	SYS(symlink("b/file", "/mem/a/link"));
	SYS(mknod("/mem/null", S_IFCHR | 0622, makedev(1, 3)));
	SYS(mkfifo("/mem/pipe", 0640));
	SYS(chown("/mem/a/b/file", 12, 34));
	SYS(chmod("/mem/a/b/file", 04711));
	SYS(setxattr("/mem/a/b/file", "trusted.x", "y", 1, 0));
	SYS(chmod("/mem/a", 01777));
	fd = SYS(open("/mem/hole", O_RDWR | O_CREAT, 0600));
	SYS(pwrite(fd, "end", 3, 900 << 20));
	SYS(ftruncate(fd, 1 << 30));
	close(fd);
	put("/mem/empty", "");
	SYS(utimensat(AT_FDCWD, "/mem/a/b", times, 0));
	SYS(mount("/mem/a", "/mem/a/b", NULL, MS_BIND, NULL));
}

static void contents_see(void)
{
	struct stat st, other;
	char value[4];
	int fd;

	SYS(umount("/mem/a/b"));
	SYS(stat("/mem", &st));
	SAME(st.st_mode & 07777, 0751);
	SAME(st.st_uid, 7);
	holds("/mem/a/link", "one");
	SYS(stat("/mem/a/b/file", &st));
	SYS(stat("/mem/a/other", &other));
	SAME(st.st_ino, other.st_ino);
	SAME(st.st_nlink, 2);
	SAME(st.st_uid, 12);
	SAME(st.st_gid, 34);
	SAME(st.st_mode & 07777, 04711);
	SAME(getxattr("/mem/a/b/file", "trusted.x", value, sizeof(value)), 1);
	SYS(stat("/mem/null", &st));
	SAME(st.st_rdev, makedev(1, 3));
	SAME(st.st_mode, S_IFCHR | 0622);
	SYS(stat("/mem/pipe", &st));
	SAME(st.st_mode, S_IFIFO | 0640);
	SYS(stat("/mem/a", &st));
	SAME(st.st_mode & 07777, 01777);
	SYS(stat("/mem/a/b", &st));
	SAME(st.st_mtim.tv_sec, 1100000000);
	SAME(st.st_mtim.tv_nsec, 987654321);
	fd = SYS(open("/mem/hole", O_RDONLY));
	SYS(fstat(fd, &st));
	SAME(st.st_size, 1 << 30);
	CHECK(st.st_blocks < 2048, "%ld blocks", (long)st.st_blocks);
	SAME(lseek(fd, 0, SEEK_DATA) >> 12, (900 << 20) >> 12);
	SYS(pread(fd, value, 3, 900 << 20));
	CHECK(memcmp(value, "end", 3) == 0);
	holds("/mem/empty", "");
}

/* What a container has, and parts of it under other names. */
static void system_set(void)
{
	make_dir("/dev");
	make_dir("/sys");
	SYS(mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
	SYS(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)));
	make_dir("/dev/pts");
	make_dir("/dev/shm");
	make_dir("/dev/mqueue");
	SYS(mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620,gid=5"));
	SYS(symlink("pts/ptmx", "/dev/ptmx"));
	SYS(mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "size=65536k"));
	SYS(mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
	SYS(mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
	SYS(mount("/dev/null", "/proc/keys", NULL, MS_BIND, NULL));
	SYS(mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL));
	SYS(mount(NULL, "/proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, NULL));
	SYS(mount("tmpfs", "/sys/firmware", "tmpfs", MS_RDONLY, "size=0k"));
}

static void system_see(void)
{
	struct stat st, null;
	int master = SYS(posix_openpt(O_RDWR | O_NOCTTY));

	CHECK(strcmp(ptsname(master), "/dev/pts/0") == 0);
	SYS(stat("/proc/keys", &st));
	SYS(stat("/dev/null", &null));
	SAME(st.st_ino, null.st_ino);
	SAME(st.st_dev, null.st_dev);
	SAME(open("/proc/sys/kernel/hostname", O_WRONLY), -1);
	SAME(errno, EROFS);
	SYS(access("/sys/kernel", F_OK));
}

/* Files that are open, and what covers them. */
static int covered, removed, below, plain;
static void *mapped;

static void files_set(void)
{
	make_dir("/mem");
	make_dir("/over");
	SYS(mount("first", "/mem", "tmpfs", 0, NULL));
	put("/mem/covered", "covered");
	put("/mem/removed", "removed");
	make_dirs("/mem/sub/deep");
	put("/mem/sub/deep/below", "below");
	put("/over/plain", "plain");
	covered = SYS(open("/mem/covered", O_RDWR));
	removed = SYS(open("/mem/removed", O_RDWR));
	below = SYS(open("/mem/sub/deep/below", O_RDONLY));
	plain = SYS(open("/over/plain", O_RDONLY));
	mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, covered, 0);
	CHECK(mapped != MAP_FAILED);
	SYS(unlink("/mem/removed"));
	SYS(mount("/over", "/mem/sub", NULL, MS_BIND, NULL));
	SYS(mount("second", "/mem", "tmpfs", 0, NULL));
	put("/mem/covered", "another");
	SYS(mount("third", "/over", "tmpfs", 0, NULL));
	SYS(chdir("/mem"));
}

static void reads(int fd, const char *what)
{
	char buf[64] = "";

	SAME(pread(fd, buf, sizeof(buf) - 1, 0), strlen(what));
	CHECK(strcmp(buf, what) == 0, "'%s'", buf);
}

static void files_see(void)
{
	struct stat st;

	reads(covered, "covered");
	reads(removed, "removed");
	reads(below, "below");
	reads(plain, "plain");
	CHECK(memcmp(mapped, "covered", 7) == 0);
	SYS(fstat(removed, &st));
	SAME(st.st_nlink, 0);
	holds("covered", "another");
	SYS(chdir("/"));
	SYS(umount("/over"));
	SYS(umount("/mem"));
	holds("/mem/covered", "covered");
	holds("/mem/sub/plain", "plain");
	SYS(umount("/mem/sub"));
	holds("/mem/sub/deep/below", "below");
	SAME(access("/mem/removed", F_OK), -1);
}

/* Groups inside: peers, a slave of them, a slave that is shared itself, an unbindable one. */
static void groups_set(void)
{
	make_dir("/a");
	make_dir("/b");
	make_dir("/c");
	make_dir("/d");
	make_dir("/e");
	SYS(mount("shared", "/a", "tmpfs", 0, NULL));
	make_dir("/a/sub");
	make_dir("/a/sub/x");
	SYS(mount(NULL, "/a", NULL, MS_SHARED, NULL));
	SYS(mount("/a", "/b", NULL, MS_BIND, NULL));
	SYS(mount("/a/sub", "/c", NULL, MS_BIND, NULL));
	SYS(mount("/a/sub", "/d", NULL, MS_BIND, NULL));
	SYS(mount(NULL, "/d", NULL, MS_SLAVE, NULL));
	SYS(mount(NULL, "/d", NULL, MS_SHARED, NULL));
	SYS(mount("/a", "/e", NULL, MS_BIND, NULL));
	SYS(mount(NULL, "/e", NULL, MS_PRIVATE, NULL));
	SYS(mount(NULL, "/e", NULL, MS_UNBINDABLE, NULL));
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void groups_see(void)
{
	SYS(mount("late", "/a/sub/x", "tmpfs", 0, NULL));
	put("/a/sub/x/file", "");
	CHECK(is_there("/b/sub/x/file") && is_there("/c/x/file") && is_there("/d/x/file"));
	CHECK(!is_there("/e/sub/x/file"));
	SYS(umount("/d/x"));
	CHECK(is_there("/c/x/file"));
	SAME(mount("/e", "/d", NULL, MS_BIND, NULL), -1);
}

/* Files that have lost the name by which they were opened, and have others. */
static int in_memory, in_root;

static void links_set(void)
{
	make_dir("/mem");
	SYS(mount("memory", "/mem", "tmpfs", 0, NULL));
	put("/mem/a", "in memory");
	put("/a", "in the root");
	SYS(link("/mem/a", "/mem/b"));
	SYS(link("/a", "/b"));
	in_memory = SYS(open("/mem/a", O_RDWR));
	in_root = SYS(open("/a", O_RDWR));
	SYS(unlink("/mem/a"));
	SYS(unlink("/a"));
}

static void links_see(void)
{
	struct stat st, other;

	SYS(fstat(in_memory, &st));
	SYS(stat("/mem/b", &other));
	SAME(st.st_ino, other.st_ino);
	SAME(st.st_nlink, 1);
	SYS(fstat(in_root, &st));
	SYS(stat("/b", &other));
	SAME(st.st_ino, other.st_ino);
	SAME(st.st_nlink, 1);
}

/* What a dump refuses, or asks an option for. */
static void removed_set(void)
{
	make_dir("/gone");
	make_dir("/at");
	SYS(mount("/gone", "/at", NULL, MS_BIND, NULL));
	SYS(rmdir("/gone"));
}

static void ramfs_set(void)
{
	make_dir("/ram");
	SYS(mount("empty", "/ram", "ramfs", MS_NOEXEC, "mode=711"));
}

static void ramfs_see(void)
{
	struct stat st;

	SYS(stat("/ram", &st));
	SAME(st.st_mode & 07777, 0711);
}

static void child_set(void)
{
	pid_t pid = victim_fork();

	if (pid == 0) {
		SYS(unshare(CLONE_NEWNS));
		victim_set();
		victim_wait();
		_exit(0);
	}
}

static void nothing_see(void)
{
}

/* What is mounted outside, and is to be seen here after the restore. */
static const char *propagation;

static void outside_set(void)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/in", dir);
	make_dir(path);
	SYS(mount("mine", path, "tmpfs", 0, NULL));
	SYS(chdir(path));
	put("file", "mine");
}

static void outside_see(void)
{
	char path[300];

	holds("file", "mine");
	snprintf(path, sizeof(path), "%s/shared/late/file", dir);
	SAME(is_there(path), strcmp(propagation, "private") != 0);
}

/* What has a place in the file systems of the namespace, without being a file of them. */
static int listener, caller, watch, pipe_end, master, slave, node, path_only;

static int socket_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	SYS(listen(fd, 5));
	return fd;
}

static int call(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	SYS(connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static int on_root;

static void objects_set(void)
{
	system_set();
	listener = socket_at("/dev/shm/socket");
	caller = call("/dev/shm/socket");
	on_root = socket_at("/socket");
	SYS(mkfifo("/dev/shm/pipe", 0600));
	pipe_end = SYS(open("/dev/shm/pipe", O_RDWR));
	SAME(write(pipe_end, "wet", 3), 3);
	put("/dev/shm/watched", "");
	watch = SYS(inotify_init1(IN_NONBLOCK));
	SAME(inotify_add_watch(watch, "/dev/shm/watched", IN_MODIFY), 1);
	SAME(inotify_add_watch(watch, "/dev/shm", IN_DELETE), 2);
	SAME(inotify_add_watch(watch, "/", IN_CREATE), 3);
	master = SYS(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY));
	SYS(unlockpt(master));
	slave = SYS(open("/dev/pts/0", O_RDWR | O_NOCTTY));
	put("/dev/console", "");
	SYS(mount("/dev/pts/0", "/dev/console", NULL, MS_BIND, NULL));
	node = SYS(open("/dev/null", O_RDWR));
	path_only = SYS(open("/dev/shm/watched", O_PATH));
	SYS(chdir("/dev/shm"));
}

static void objects_see(void)
{
	char buf[256];
	struct stat st;

	close(call("socket"));
	close(call("/socket"));
	close(SYS(accept(listener, NULL, NULL)));
	SAME(read(pipe_end, buf, sizeof(buf)), 3);
	put("/dev/shm/watched", "x");
	CHECK(read(watch, buf, sizeof(buf)) >= (ssize_t)sizeof(struct inotify_event));
	SAME(((struct inotify_event *)buf)->wd, 1);
	put("/created", "x");
	CHECK(read(watch, buf, sizeof(buf)) > 0);
	SAME(write(master, "hello\n", 6), 6);
	SAME(read(slave, buf, sizeof(buf)), 6);
	CHECK(strcmp(ptsname(master), "/dev/pts/0") == 0);
	SAME(write(master, "more\n", 5), 5);
	SAME(read(SYS(open("/dev/console", O_RDWR | O_NOCTTY)), buf, sizeof(buf)), 5);
	SYS(fstat(node, &st));
	SAME(st.st_rdev, makedev(1, 3));
	SYS(fstat(path_only, &st));
	SAME(st.st_size, 1);
}

static const struct {
	const char *name;
	void (*set)(void);
	void (*see)(void);
} cases[] = {
	{ "basic", basic_set, basic_see },	 { "contents", contents_set, contents_see },
	{ "system", system_set, system_see },	 { "files", files_set, files_see },
	{ "links", links_set, links_see },	 { "removed", removed_set, nothing_see },
	{ "outside", outside_set, outside_see }, { "ramfs", ramfs_set, ramfs_see },
	{ "child", child_set, nothing_see },

	{ "groups", groups_set, groups_see },	 { "objects", objects_set, objects_see },
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "basic";
	char before[16384], after[16384];
	size_t i = 0;

	dir = getenv("TEST_DIR");
	CHECK(dir);
	dir = strdup(dir);
	umask(0);
	if (getpid() == 1)
		SYS(setsid());
	if (strcmp(name, "outside") == 0)
		leave_ours(propagation = argv[2]);
	else
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
	CHECK((propagation && strcmp(propagation, "private") != 0) || strcmp(before, after) == 0,
	      "mounts were\n%sand are\n%s", before, after);
	cases[i].see();
	victim_ok();
}
