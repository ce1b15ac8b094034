/*
 * inotify: watches with their numbers, gaps and masks, of files, directories, a symbolic link, one that was renamed, one that was
 * removed, a pipe; shared with a child; in an epoll; with events that waited.
 */
#include "test/lib/fds.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static struct fds before;
static int in, other, ep, ends[2];
static int w_dir, w_file, w_once, w_link, w_renamed, w_gone, w_only, w_pipe;
static char text[2][65536];

static void watches(int fd, char *buf)
{
	char path[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = SYS(open(path, O_RDONLY));
	n = SYS(read(f, buf, sizeof(text[0]) - 1));
	buf[n] = 0;
	SYS(close(f));
}

/* Their numbers and masks; a pipe and a removed file are other inodes now, and the order is that of their making. */
static void same_watches(const char *was, const char *is)
{
	unsigned int wd, mask, now_wd, now_mask;
	size_t n = 0, now = 0;
	unsigned long ino, now_ino;

	for (const char *p = was; (p = strstr(p, "inotify wd:")); p++, n++) {
		char start[32];
		const char *q;

		SAME(sscanf(p, "inotify wd:%x ino:%lx sdev:%*x mask:%x", &wd, &ino, &mask), 3);
		snprintf(start, sizeof(start), "inotify wd:%x ", wd);
		q = strstr(is, start);
		CHECK(q, "watch %u is lost", wd);
		SAME(sscanf(q, "inotify wd:%x ino:%lx sdev:%*x mask:%x", &now_wd, &now_ino,
			    &now_mask),
		     3);
		SAME(now_mask, mask);
		if ((int)wd != w_gone && (int)wd != w_pipe)
			SAME(now_ino, ino);
	}
	for (const char *p = is; (p = strstr(p, "inotify wd:")); p++)
		now++;
	SAME(now, n);
}

static void touch(const char *name)
{
	SYS(close(SYS(open(fds_path(name), O_CREAT | O_WRONLY, 0600))));
}

/* The next event must be this one. */
static void expect(int fd, int wd, uint32_t mask, const char *name)
{
	static char buf[65536];
	static ssize_t have, at;
	const struct inotify_event *e;

	if (at == have) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		SAME(SYS(poll(&p, 1, 5000)), 1);
		have = SYS(read(fd, buf, sizeof(buf)));
		at = 0;
	}
	e = (const void *)(buf + at);
	at += sizeof(*e) + e->len;
	CHECK(e->wd == wd && e->mask == mask && strcmp(e->len ? e->name : "", name) == 0,
	      "watch %d told 0x%x '%s', not %d 0x%x '%s'", e->wd, e->mask, e->len ? e->name : "",
	      wd, mask, name);
}

static void expect_nothing(int fd)
{
	int bytes;

	SYS(ioctl(fd, FIONREAD, &bytes));
	SAME(bytes, 0);
}

static int gone;

static void set_up(void)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 7 };
	char path[64];

	SYS(mkdir(fds_path("dir"), 0700));
	SYS(mkdir(fds_path("only"), 0700));
	touch("file");
	touch("once");
	touch("old");
	touch("gone");
	SYS(symlink("nowhere", fds_path("link")));
	in = SYS(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
	other = SYS(inotify_init1(0));
	SYS(inotify_rm_watch(in, SYS(inotify_add_watch(in, fds_path("dir"), IN_OPEN))));
	w_dir = SYS(inotify_add_watch(in, fds_path("dir"), IN_ALL_EVENTS | IN_EXCL_UNLINK));
	w_file = SYS(inotify_add_watch(in, fds_path("file"), IN_MODIFY));
	SYS(inotify_add_watch(in, fds_path("file"), IN_ATTRIB | IN_MASK_ADD));
	w_once = SYS(inotify_add_watch(in, fds_path("once"), IN_ATTRIB | IN_ONESHOT));
	w_link = SYS(inotify_add_watch(in, fds_path("link"), IN_DELETE_SELF | IN_DONT_FOLLOW));
	for (int i = 0; i < 300; i++)
		SYS(inotify_rm_watch(in, SYS(inotify_add_watch(in, "/", IN_MOVE_SELF))));
	w_renamed = SYS(inotify_add_watch(in, fds_path("old"), IN_ATTRIB));
	SYS(rename(fds_path("old"), fds_path("new name")));
	gone = SYS(open(fds_path("gone"), O_RDWR));
	w_gone = SYS(inotify_add_watch(in, fds_path("gone"), IN_MODIFY));
	SYS(unlink(fds_path("gone")));
	w_only = SYS(inotify_add_watch(in, fds_path("only"), IN_ONLYDIR));
	SYS(pipe(ends));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	w_pipe = SYS(inotify_add_watch(in, path, IN_ATTRIB));
	CHECK(w_dir == 2 && w_renamed == 306 && w_pipe == 309, "%d %d %d", w_dir, w_renamed,
	      w_pipe);
	SYS(inotify_add_watch(other, fds_path("dir"), IN_CREATE));
	ep = SYS(epoll_create1(0));
	SYS(epoll_ctl(ep, EPOLL_CTL_ADD, in, &e));
}

static void drain(int fd)
{
	char buf[65536];
	int bytes;

	while (SYS(ioctl(fd, FIONREAD, &bytes)) == 0 && bytes)
		SYS(read(fd, buf, sizeof(buf)));
}

static void check_events(void)
{
	struct epoll_event e;

	expect_nothing(in);
	expect_nothing(other);
	SAME(SYS(epoll_wait(ep, &e, 1, 0)), 0);
	SAME(write(gone, "x", 1), 1);
	SAME(SYS(epoll_wait(ep, &e, 1, 5000)), 1);
	SAME(e.data.u64, 7);
	expect(in, w_gone, IN_MODIFY, "");
	SYS(chmod(fds_path("file"), 0640));
	expect(in, w_file, IN_ATTRIB, "");
	SYS(chmod(fds_path("new name"), 0640));
	expect(in, w_renamed, IN_ATTRIB, "");
	SYS(fchmod(ends[0], 0640));
	expect(in, w_pipe, IN_ATTRIB, "");
	SYS(chmod(fds_path("once"), 0640));
	expect(in, w_once, IN_ATTRIB, "");
	expect(in, w_once, IN_IGNORED, "");
	SYS(unlink(fds_path("link")));
	expect(in, w_link, IN_DELETE_SELF, "");
	expect(in, w_link, IN_IGNORED, "");
	touch("dir/a");
	expect(in, w_dir, IN_CREATE, "a");
	expect(in, w_dir, IN_OPEN, "a");
	expect(in, w_dir, IN_CLOSE_WRITE, "a");
	expect(other, 1, IN_CREATE, "a");
	SYS(inotify_rm_watch(in, w_only));
	expect(in, w_only, IN_IGNORED, "");
	CHECK(SYS(inotify_add_watch(in, fds_path("only"), IN_CREATE)) > w_pipe);
}

/* Events that wait, and are lost: one says so. Those of another are not. */
static void waiting(void)
{
	touch("dir/early");
	SYS(mkdir(fds_path("dir/earlier"), 0700));
	victim_ready();
	expect(in, -1, IN_Q_OVERFLOW, "");
	drain(other);
	check_events();
	victim_ok();
}

/* The same where nothing is lost. */
static void kept(void)
{
	touch("dir/early");
	victim_ready();
	expect(in, w_dir, IN_CREATE, "early");
	expect(in, w_dir, IN_OPEN, "early");
	expect(in, w_dir, IN_CLOSE_WRITE, "early");
	expect(other, 1, IN_CREATE, "early");
	check_events();
	victim_ok();
}

/* Of a directory in which a restore removes a link (--link-remap): that is none of the program's business. */
static void links(void)
{
	touch("dir/x");
	SYS(open(fds_path("dir/x"), O_RDONLY));
	SYS(link(fds_path("dir/x"), fds_path("dir/y")));
	SYS(unlink(fds_path("dir/x")));
	drain(in);
	drain(other);
	victim_ready();
	check_events();
	victim_ok();
}

/* Of a file that is removed, and that only another process has open, which is not saved. */
static void foreign(void)
{
	int told[2];
	char c;

	touch("held");
	SYS(pipe(told));
	if (SYS(fork()) == 0) {
		if (SYS(fork()) == 0) {
			SYS(open(fds_path("held"), O_RDONLY));
			SAME(write(told[1], "", 1), 1);
			pause();
		}
		_exit(0);
	}
	SYS(wait(NULL));
	SAME(read(told[0], &c, 1), 1);
	SYS(close(told[0]));
	SYS(close(told[1]));
	in = SYS(inotify_init1(0));
	SYS(inotify_add_watch(in, fds_path("held"), IN_MODIFY));
	SYS(unlink(fds_path("held")));
	victim_ready();
	victim_ok();
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "foreign") == 0)
		foreign();
	set_up();
	drain(in);
	if (argc > 1 && strcmp(argv[1], "waiting") == 0)
		waiting();
	if (argc > 1 && strcmp(argv[1], "links") == 0)
		links();
	if (argc > 1 && strcmp(argv[1], "kept") == 0)
		kept();
	watches(in, text[0]);
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		SYS(fcntl(in, F_SETFL, O_NONBLOCK)); /* it is one with the parent's */
		_exit(0);
	}
	drain(in);
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	watches(in, text[1]);
	same_watches(text[0], text[1]);
	victim_reap(pid);
	check_events();
	victim_ok();
}
