/* fanotify: groups of several classes; marks on files, directories, a mount and a file system, and what they ignore. */
#include "test/lib/fds.h"

#include <poll.h>
#include <pthread.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>

enum { GROUPS = 3 };

static struct fds before;
static int group[GROUPS];
static char text[2][GROUPS][8192];

static void read_info(int fd, char *buf)
{
	char path[64];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = SYS(open(path, O_RDONLY));
	n = SYS(read(f, buf, sizeof(text[0][0]) - 1));
	buf[n] = 0;
	SYS(close(f));
}

static void mark(int fd, unsigned int flags, uint64_t mask, const char *path)
{
	if (fanotify_mark(fd, FAN_MARK_ADD | flags, mask, AT_FDCWD, path) < 0)
		victim_skip("this kernel has not all marks of fanotify");
}

static void touch(const char *name)
{
	SYS(close(SYS(open(fds_path(name), O_CREAT | O_WRONLY, 0600))));
}

static void expect_nothing(int fd)
{
	int bytes;

	SYS(ioctl(fd, FIONREAD, &bytes));
	SAME(bytes, 0);
}

/* The mask of the next event. */
static uint64_t next(int fd, char *name, size_t size)
{
	_Alignas(8) char buf[4096];
	struct fanotify_event_metadata *m = (void *)buf;
	struct fanotify_event_info_fid *fid = (void *)(m + 1);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	SAME(SYS(poll(&p, 1, 5000)), 1);
	/* One at a time: there is room for no more. */
	SYS(read(fd, buf, name ? 100 : sizeof(*m)));
	if (m->fd >= 0)
		SYS(close(m->fd));
	if (name) {
		struct file_handle *h = (void *)fid->handle;

		snprintf(name, size, "%s", (char *)h->f_handle + h->handle_bytes);
	}
	return m->mask;
}

static void set_up(void)
{
	SYS(mkdir(fds_path("dir"), 0700));
	touch("file");
	touch("quiet");
	group[0] = SYS(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY));
	mark(group[0], 0, FAN_MODIFY | FAN_CLOSE_WRITE, fds_path("file"));
	mark(group[0], FAN_MARK_MOUNT, FAN_OPEN, fds_path(""));
	mark(group[0], FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN,
	     fds_path("quiet"));
	group[1] = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_DFID_NAME | FAN_UNLIMITED_QUEUE, 0);
	if (group[1] < 0)
		victim_skip("this kernel reports no names");
	mark(group[1], FAN_MARK_FILESYSTEM, FAN_CREATE | FAN_ONDIR, fds_path(""));
	mark(group[1], FAN_MARK_ONLYDIR, FAN_DELETE | FAN_EVENT_ON_CHILD, fds_path("dir"));
	group[2] = SYS(fanotify_init(FAN_CLASS_CONTENT, O_RDWR));
	mark(group[2], 0, FAN_OPEN | FAN_EVENT_ON_CHILD, fds_path("dir"));
	SYS(fcntl(group[2], F_SETFL, O_NONBLOCK));
}

static void check_events(void)
{
	char name[64];
	int fd;

	for (int i = 0; i < GROUPS; i++)
		expect_nothing(group[i]);
	fd = SYS(open(fds_path("file"), O_WRONLY));
	SAME(next(group[0], NULL, 0), FAN_OPEN);
	SAME(write(fd, "x", 1), 1);
	SAME(next(group[0], NULL, 0), FAN_MODIFY);
	SYS(close(fd));
	SAME(next(group[0], NULL, 0), FAN_CLOSE_WRITE);
	SYS(close(SYS(open(fds_path("quiet"), O_RDONLY))));
	expect_nothing(group[0]);
	touch("dir/a");
	SAME(next(group[0], NULL, 0), FAN_OPEN);
	SAME(next(group[2], NULL, 0), FAN_OPEN);
	SAME(next(group[1], name, sizeof(name)), FAN_CREATE);
	CHECK(strcmp(name, "a") == 0, "'%s'", name);
	SYS(unlink(fds_path("dir/a")));
	SAME(next(group[1], name, sizeof(name)), FAN_DELETE);
}

/* The line of each mark, whatever its order. */
static void same_info(const char *was, const char *is)
{
	SAME(strlen(is), strlen(was));
	for (const char *p = was; (p = strstr(p, "\nfanotify ")); p++) {
		size_t size = strcspn(p + 1, "\n") + 2;
		char line[512];

		snprintf(line, sizeof(line), "%.*s", (int)size, p);
		CHECK(strstr(is, line), "lost: %s of%s", line, is);
	}
}

static void *answer(void *arg)
{
	struct fanotify_event_metadata m;

	while (read(group[0], &m, sizeof(m)) == sizeof(m)) {
		struct fanotify_response r = { m.fd, FAN_ALLOW };

		SAME(write(group[0], &r, sizeof(r)), sizeof(r));
		SYS(close(m.fd));
	}
	return arg;
}

/* Somebody who decides over all files of a mount. */
static void decides(void)
{
	pthread_t thread;
	int fd = SYS(open(fds_path("data"), O_CREAT | O_WRONLY, 0600));

	SAME(write(fd, "data", 4), 4); /* a dump opens it once more, to look for a build-id */
	group[0] = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
	if (group[0] < 0 || fanotify_mark(group[0], FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM,
					  AT_FDCWD, fds_path("")) < 0)
		victim_skip("this kernel lets nobody decide");
	SAME(pthread_create(&thread, NULL, answer, NULL), 0);
	victim_ready();
	victim_ok();
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "decides") == 0)
		decides();
	set_up();
	if (argc > 1 && strcmp(argv[1], "waiting") == 0)
		touch("dir/a");
	for (int i = 0; i < GROUPS; i++)
		read_info(group[i], text[0][i]);
	fds_note(&before);
	victim_ready();
	if (argc > 1)
		victim_ok();
	fds_check(&before);
	for (int i = 0; i < GROUPS; i++) {
		read_info(group[i], text[1][i]);
		same_info(strstr(text[0][i], "\nfanotify"), strstr(text[1][i], "\nfanotify"));
	}
	check_events();
	victim_ok();
}
