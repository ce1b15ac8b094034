/*
 * UNIX sockets with names: paths, also relative ones, abstract names and those whose file was removed; listening sockets,
 * what was accepted from them and what was not yet; datagram sockets that are connected by name or send to one.
 */
#include "test/lib/fds.h"

#include <grp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct fds before;
static int by_path, relative, abstract, deleted, automatic, closed_server, late_server;
static int client[6], server[6], waiting[2], inbox, outbox, sender, named_client, orphan, turned[2];
static char cwd[256];

static struct sockaddr_un address(const char *name, socklen_t *ret_size)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", name);
	*ret_size = offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@');
	if (name[0] == '@')
		at.sun_path[0] = 0;
	return at;
}

/* Some name of this test alone. */
static const char *own(const char *format)
{
	static char names[8][108];
	static int next;
	char *name = names[next++ % 8];

	snprintf(name, sizeof(names[0]), format, getpid());
	return name;
}

static int bound(int type, const char *name)
{
	socklen_t size;
	struct sockaddr_un at = address(name, &size);
	int fd = SYS(socket(AF_UNIX, type, 0));

	SYS(bind(fd, (struct sockaddr *)&at, size));
	return fd;
}

static void join(int fd, const char *name)
{
	socklen_t size;
	struct sockaddr_un at = address(name, &size);

	SYS(connect(fd, (struct sockaddr *)&at, size));
}

static int joined(int type, const char *name)
{
	int fd = SYS(socket(AF_UNIX, type, 0));

	join(fd, name);
	return fd;
}

static void put(int fd, const char *text)
{
	SAME(SYS(send(fd, text, strlen(text), MSG_NOSIGNAL)), strlen(text));
}

static void get(int fd, const char *text)
{
	char buf[256] = "";

	SAME(SYS(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
}

/* With the name of who has sent it, "": none. */
static void get_from(int fd, const char *text, const char *name)
{
	struct sockaddr_un from = { 0 }, at;
	socklen_t size = sizeof(from), wanted;
	char buf[256] = "";

	SAME(SYS(recvfrom(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size)),
	     strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
	at = address(name, &wanted);
	if (!*name)
		wanted = 0;
	CHECK(size == wanted && memcmp(&from, &at, size) == 0, "it came from '%s'", from.sun_path);
}

typedef int (*name_fn)(int fd, struct sockaddr *name, socklen_t *size);

static void is_named(name_fn ask, int fd, const char *name)
{
	struct sockaddr_un is = { 0 }, at;
	socklen_t size = sizeof(is), wanted;

	SYS(ask(fd, (struct sockaddr *)&is, &size));
	at = address(name, &wanted);
	if (!*name)
		wanted = sizeof(sa_family_t);
	CHECK(size == wanted && memcmp(&is, &at, size) == 0, "fd %d: '%.20s' (%d), was '%s' (%d)",
	      fd, is.sun_path, size, name, wanted);
}

static void connects(int listening, const char *name)
{
	int fd = joined(SOCK_STREAM, name), other;

	fcntl(listening, F_SETFL, 0);
	other = SYS(accept(listening, NULL, NULL));
	put(fd, "new");
	get(other, "new");
	is_named(getpeername, fd, name);
	SYS(close(fd));
	SYS(close(other));
}

static const gid_t groups[2] = { 7, 9 };

/* By number, ids and groups. */
static void comes_from_us(int fd)
{
	struct ucred who;
	gid_t now[4] = { 0 };
	socklen_t size = sizeof(who);

	SYS(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
	SAME(who.pid, getpid());
	SAME(who.uid, getuid());
	size = sizeof(now);
	SYS(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, now, &size));
	SAME(size, sizeof(groups));
	CHECK(memcmp(now, groups, size) == 0, "groups %u and %u", now[0], now[1]);
}

static int accepted(int listening)
{
	return SYS(accept4(listening, NULL, NULL, SOCK_CLOEXEC));
}

static void make_streams(void)
{
	by_path = bound(SOCK_STREAM, fds_path("path"));
	SYS(chmod(fds_path("path"), 0640));
	SYS(chown(fds_path("path"), 12, 34));
	SYS(listen(by_path, 7));
	SYS(fcntl(by_path, F_SETFL, O_NONBLOCK));
	client[0] = joined(SOCK_STREAM, fds_path("path"));
	server[0] = accepted(by_path);
	client[1] = bound(SOCK_STREAM, fds_path("client"));
	join(client[1], fds_path("path"));
	server[1] = accepted(by_path);
	put(client[0], "to the server");
	put(server[1], "to the client");
	SYS(mkdir("sub", 0755));
	SYS(chdir("sub"));
	relative = bound(SOCK_STREAM, "relative");
	SYS(listen(relative, 1));
	SYS(chdir(".."));
	abstract = bound(SOCK_SEQPACKET, own("@abstract %d"));
	SYS(listen(abstract, 2));
	client[2] = joined(SOCK_SEQPACKET, own("@abstract %d"));
	server[2] = accepted(abstract);
	put(client[2], "one");
	put(client[2], "two");
	waiting[0] = joined(SOCK_SEQPACKET, own("@abstract %d"));
	waiting[1] = joined(SOCK_SEQPACKET, own("@abstract %d"));
}

static void make_gone(void)
{
	int fd;

	deleted = bound(SOCK_STREAM, fds_path("deleted/sock"));
	SYS(listen(deleted, 3));
	client[3] = joined(SOCK_STREAM, fds_path("deleted/sock"));
	server[3] = accepted(deleted);
	SYS(unlink(fds_path("deleted/sock")));
	/* Who listened is gone; another one has come under the name. */
	closed_server = bound(SOCK_STREAM, own("@closed %d"));
	SYS(listen(closed_server, 3));
	client[4] = joined(SOCK_STREAM, own("@closed %d"));
	server[4] = accepted(closed_server);
	fd = joined(SOCK_STREAM, own("@closed %d"));
	server[5] = accepted(closed_server);
	put(fd, "left behind");
	SYS(close(fd));
	client[5] = joined(SOCK_STREAM, own("@closed %d"));
	fd = accepted(closed_server);
	put(fd, "left by the server");
	SYS(close(fd));
	SYS(close(closed_server));
	late_server = bound(SOCK_STREAM, own("@closed %d"));
	SYS(listen(late_server, 1));
	automatic = SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
	SYS(bind(automatic, (struct sockaddr *)&(struct sockaddr){ AF_UNIX, "" },
		 sizeof(sa_family_t)));
	named_client = bound(SOCK_STREAM, "./sub/../just bound");
}

static void make_datagrams(void)
{
	socklen_t size;
	struct sockaddr_un at = address(fds_path("inbox"), &size);
	int fd;

	inbox = bound(SOCK_DGRAM, fds_path("inbox"));
	outbox = bound(SOCK_DGRAM, own("@outbox %d"));
	join(outbox, fds_path("inbox"));
	sender = SYS(socket(AF_UNIX, SOCK_DGRAM, 0));
	put(outbox, "from the outbox");
	SYS(sendto(sender, "unnamed", 7, 0, (struct sockaddr *)&at, size));
	fd = bound(SOCK_DGRAM, own("@gone %d"));
	SYS(sendto(fd, "from one that is gone", 21, 0, (struct sockaddr *)&at, size));
	SYS(close(fd));
	put(outbox, "again");
	/* An end of a pair that has turned to another one: what the other end sends is not taken. */
	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, turned));
	join(turned[0], fds_path("inbox"));
	/* Connected to one that is gone. */
	fd = bound(SOCK_DGRAM, own("@gone %d"));
	orphan = joined(SOCK_DGRAM, own("@gone %d"));
	SYS(close(fd));
}

static void check_streams(void)
{
	struct stat st;
	int fd;

	SYS(stat("path", &st));
	SAME(st.st_mode, S_IFSOCK | 0640);
	SAME(st.st_uid, 12);
	SAME(st.st_gid, 34);
	get(server[0], "to the server");
	get(client[1], "to the client");
	is_named(getsockname, by_path, fds_path("path"));
	is_named(getsockname, server[0], fds_path("path"));
	is_named(getsockname, client[0], "");
	is_named(getpeername, client[0], fds_path("path"));
	is_named(getpeername, server[0], "");
	is_named(getsockname, client[1], fds_path("client"));
	is_named(getpeername, server[1], fds_path("client"));
	is_named(getpeername, client[1], fds_path("path"));
	is_named(getsockname, relative, "relative");
	get(server[2], "one");
	get(server[2], "two");
	for (int i = 0; i < 2; i++) {
		put(waiting[i], i ? "second" : "first");
		fd = accepted(abstract);
		comes_from_us(fd);
		get(fd, i ? "second" : "first");
		SYS(close(fd));
	}
	connects(by_path, fds_path("path"));
	SYS(chdir("sub"));
	connects(relative, "relative");
	SYS(chdir(".."));
}

static void check_gone(void)
{
	socklen_t size;
	struct sockaddr_un at = address(fds_path("deleted/sock"), &size);
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	char c;

	SAME(connect(fd, (struct sockaddr *)&at, size), -1);
	SAME(errno, ENOENT);
	is_named(getsockname, deleted, fds_path("deleted/sock"));
	is_named(getpeername, client[3], fds_path("deleted/sock"));
	put(client[3], "still there");
	get(server[3], "still there");
	is_named(getpeername, client[4], own("@closed %d"));
	put(client[4], "still there");
	get(server[4], "still there");
	get(server[5], "left behind");
	SAME(SYS(recv(server[5], &c, 1, MSG_DONTWAIT)), 0);
	is_named(getpeername, client[5], own("@closed %d"));
	get(client[5], "left by the server");
	SAME(SYS(recv(client[5], &c, 1, MSG_DONTWAIT)), 0);
	connects(late_server, own("@closed %d"));
	SYS(listen(named_client, 1));
	connects(named_client, "./sub/../just bound");
}

static void check_datagrams(void)
{
	char c;

	get_from(inbox, "from the outbox", own("@outbox %d"));
	get_from(inbox, "unnamed", "");
	get_from(inbox, "from one that is gone", own("@gone %d"));
	get_from(inbox, "again", own("@outbox %d"));
	SAME(recv(inbox, &c, 1, MSG_DONTWAIT), -1);
	put(outbox, "new");
	get_from(inbox, "new", own("@outbox %d"));
	put(turned[0], "turned");
	get_from(inbox, "turned", "");
	SAME(send(turned[1], "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, EPERM);
	is_named(getpeername, orphan, own("@gone %d"));
	SAME(send(orphan, "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, ECONNREFUSED);
}

int main(void)
{
	struct sockaddr_un was, is;
	socklen_t size = sizeof(was);

	SYS(setgroups(2, groups));
	snprintf(cwd, sizeof(cwd), "%s", fds_path("."));
	SYS(chdir(cwd));
	SYS(mkdir("deleted", 0755));
	make_streams();
	make_gone();
	make_datagrams();
	SYS(getsockname(automatic, (struct sockaddr *)&was, &size));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	size = sizeof(is);
	SYS(getsockname(automatic, (struct sockaddr *)&is, &size));
	CHECK(memcmp(&was, &is, size) == 0);
	check_streams();
	check_gone();
	check_datagrams();
	victim_ok();
}
