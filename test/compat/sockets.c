/* Sockets and watches, each kind as plain as programs have it. */
#include "test/compat/plain.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/ethernet.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int fd[8];
static struct sockaddr_un un;
static char path[300];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DIR"), name);
	return path;
}

static socklen_t un_name(const char *name, bool is_abstract)
{
	un.sun_family = AF_UNIX;
	memset(un.sun_path, 0, sizeof(un.sun_path));
	snprintf(un.sun_path + is_abstract, sizeof(un.sun_path) - 1, "%.100s", in_dir(name));
	return offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(path) + !is_abstract;
}

static int un_bound(int type, const char *name, bool is_abstract)
{
	int s = SYS(socket(AF_UNIX, type, 0));

	SYS(bind(s, (struct sockaddr *)&un, un_name(name, is_abstract)));
	return s;
}

static int un_joined(int type, const char *name, bool is_abstract)
{
	int s = SYS(socket(AF_UNIX, type, 0));

	SYS(connect(s, (struct sockaddr *)&un, un_name(name, is_abstract)));
	return s;
}

/* --- descriptors on their way ---------------------------------------------------------------------- */

static void send_fd(int to, const char *text, int sent)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec io = { (char *)text, strlen(text) };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &sent, sizeof(int));
	SAME(SYS(sendmsg(to, &m, 0)), strlen(text));
}

static int receive_fd(int from, const char *text)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, buf[64] = "";
	struct iovec io = { buf, sizeof(buf) - 1 };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	int got;

	SYS(recvmsg(from, &m, MSG_DONTWAIT));
	CHECK(strcmp(buf, text) == 0, "'%s' where '%s' was", buf, text);
	CHECK(CMSG_FIRSTHDR(&m), "no descriptor comes with '%s'", text);
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return got;
}

/* An end of a pipe that nobody else has, a file that we have too, a socket. */
static void rights_set(void)
{
	int ends[2];

	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd));
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, fd + 2));
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, fd + 4));
	SYS(pipe(ends));
	writes(ends[1], "unread");
	send_fd(fd[0], "pipe", ends[0]);
	SYS(close(ends[0]));
	fd[6] = SYS(open(in_dir("file"), O_RDWR | O_CREAT, 0600));
	writes(fd[6], "0123456789");
	send_fd(fd[0], "file", fd[6]);
	send_fd(fd[2], "socket", fd[4]);
	SYS(close(fd[4]));
	writes(fd[5], "to the one on its way");
	fd[7] = ends[1];
}

static void rights_check(void)
{
	int got = receive_fd(fd[1], "pipe");

	writes(fd[7], " and more");
	reads(got, "unread and more");
	got = receive_fd(fd[1], "file");
	SYS(lseek(fd[6], 3, SEEK_SET));
	reads(got, "3456789");
	got = receive_fd(fd[3], "socket");
	reads(got, "to the one on its way");
	writes(got, "answer");
	reads(fd[5], "answer");
}

/* --- UNIX names ------------------------------------------------------------------------------------ */

static void abstract_set(void)
{
	fd[0] = un_bound(SOCK_DGRAM, "letters", true);
	fd[1] = un_joined(SOCK_DGRAM, "letters", true);
	fd[2] = un_bound(SOCK_SEQPACKET, "served", true);
	SYS(listen(fd[2], 3));
	fd[3] = un_joined(SOCK_SEQPACKET, "served", true);
	fd[4] = SYS(accept(fd[2], NULL, NULL));
	writes(fd[1], "one");
	writes(fd[3], "packet");
	writes(fd[4], "back");
}

static void abstract_check(void)
{
	int caller;

	reads(fd[0], "one");
	reads(fd[4], "packet");
	reads(fd[3], "back");
	caller = un_joined(SOCK_SEQPACKET, "served", true);
	writes(caller, "new");
	reads(SYS(accept(fd[2], NULL, NULL)), "new");
}

/* One that nobody has accepted yet. */
static void waiting_set(void)
{
	fd[0] = un_bound(SOCK_STREAM, "server", false);
	SYS(listen(fd[0], 3));
	fd[1] = un_joined(SOCK_STREAM, "server", false);
}

static void waiting_check(void)
{
	int served = SYS(accept(fd[0], NULL, NULL));

	writes(fd[1], "hello");
	reads(served, "hello");
	writes(served, "good day");
	reads(fd[1], "good day");
}

/* The name is gone, the socket is not. */
static void unlinked_set(void)
{
	fd[0] = un_bound(SOCK_DGRAM, "nameless", false);
	fd[1] = un_joined(SOCK_DGRAM, "nameless", false);
	writes(fd[1], "before");
	SYS(unlink(in_dir("nameless")));
}

static void unlinked_check(void)
{
	SAME(access(in_dir("nameless"), F_OK), -1);
	reads(fd[0], "before");
	writes(fd[1], "after");
	reads(fd[0], "after");
}

/* --- TCP and UDP ----------------------------------------------------------------------------------- */

static const struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr = { 0x0100007f } };

static struct sockaddr_in name_of(int s)
{
	struct sockaddr_in at = { 0 };

	SYS(getsockname(s, (struct sockaddr *)&at, &(socklen_t){ sizeof(at) }));
	return at;
}

static int tcp_bound(void)
{
	int s = SYS(socket(AF_INET, SOCK_STREAM, 0)), on = 1;

	SYS(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	SYS(bind(s, (const struct sockaddr *)&local, sizeof(local)));
	return s;
}

static int tcp_call(int server)
{
	struct sockaddr_in at = name_of(server);
	int s = SYS(socket(AF_INET, SOCK_STREAM, 0));

	SYS(connect(s, (struct sockaddr *)&at, sizeof(at)));
	return s;
}

static void listen_set(void)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	int on = 1, idle = 77;

	fd[0] = tcp_bound();
	SYS(setsockopt(fd[0], SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	SYS(setsockopt(fd[0], IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)));
	SYS(listen(fd[0], 9));
	fd[1] = SYS(socket(AF_INET6, SOCK_STREAM, 0));
	SYS(setsockopt(fd[1], IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	SYS(bind(fd[1], (struct sockaddr *)&six, sizeof(six)));
	SYS(listen(fd[1], 9));
	SYS(getsockname(fd[1], (struct sockaddr *)&six, &(socklen_t){ sizeof(six) }));
	fd[6] = six.sin6_port;
	fd[7] = name_of(fd[0]).sin_port;
	fd[2] = SYS(socket(AF_INET, SOCK_STREAM, 0));
}

static int number(int s, int level, int name)
{
	int value = 0;

	SYS(getsockopt(s, level, name, &value, &(socklen_t){ sizeof(value) }));
	return value;
}

static void listen_check(void)
{
	struct sockaddr_in6 six;

	SAME(name_of(fd[0]).sin_port, fd[7]);
	SYS(getsockname(fd[1], (struct sockaddr *)&six, &(socklen_t){ sizeof(six) }));
	SAME(six.sin6_port, fd[6]);
	SAME(number(fd[1], IPPROTO_IPV6, IPV6_V6ONLY), 1);
	SAME(number(fd[0], SOL_SOCKET, SO_KEEPALIVE), 1);
	SAME(number(fd[0], SOL_SOCKET, SO_REUSEADDR), 1);
	SAME(number(fd[0], IPPROTO_TCP, TCP_KEEPIDLE), 77);
	fd[3] = tcp_call(fd[0]);
	writes(fd[3], "new");
	reads(SYS(accept(fd[0], NULL, NULL)), "new");
	SAME(number(fd[2], SOL_SOCKET, SO_ACCEPTCONN), 0);
}

/* Both ends, with something unread at each, and one that has said its last. */
static void tcp_set(void)
{
	int on = 1;

	fd[0] = tcp_bound();
	SYS(listen(fd[0], 9));
	for (int i = 1; i < 5; i += 2) {
		fd[i] = tcp_call(fd[0]);
		fd[i + 1] = SYS(accept(fd[0], NULL, NULL));
	}
	SYS(setsockopt(fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	writes(fd[1], "there");
	writes(fd[2], "back");
	writes(fd[3], "the last");
	SYS(shutdown(fd[3], SHUT_WR));
	victim_sleep_ms(50);
}

static void tcp_check(void)
{
	char byte;

	reads(fd[2], "there");
	reads(fd[1], "back");
	SAME(number(fd[1], IPPROTO_TCP, TCP_NODELAY), 1);
	writes(fd[1], "more");
	reads(fd[2], "more");
	reads(fd[4], "the last");
	SAME(SYS(read(fd[4], &byte, 1)), 0);
	writes(fd[4], "other way");
	reads(fd[3], "other way");
	SYS(close(fd[1]));
	SAME(SYS(read(fd[2], &byte, 1)), 0);
}

static void udp_set(void)
{
	struct sockaddr_in at;
	int on = 1;

	fd[0] = SYS(socket(AF_INET, SOCK_DGRAM, 0));
	SYS(bind(fd[0], (const struct sockaddr *)&local, sizeof(local)));
	SYS(setsockopt(fd[0], SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
	at = name_of(fd[0]);
	fd[1] = SYS(socket(AF_INET, SOCK_DGRAM, 0));
	SYS(connect(fd[1], (struct sockaddr *)&at, sizeof(at)));
	at = name_of(fd[1]);
	SYS(connect(fd[0], (struct sockaddr *)&at, sizeof(at)));
	fd[2] = SYS(socket(AF_INET6, SOCK_DGRAM, 0));
}

static void udp_check(void)
{
	SAME(number(fd[0], SOL_SOCKET, SO_BROADCAST), 1);
	writes(fd[1], "there");
	reads(fd[0], "there");
	writes(fd[0], "back");
	reads(fd[1], "back");
	SAME(name_of(fd[2]).sin_family, AF_INET6);
}

/* --- others ---------------------------------------------------------------------------------------- */

static void inotify_set(void)
{
	SYS(mkdir(in_dir("watched"), 0700));
	fd[0] = SYS(inotify_init1(IN_NONBLOCK));
	fd[1] = SYS(inotify_add_watch(fd[0], path, IN_CREATE | IN_DELETE));
	SYS(close(SYS(open(in_dir("file"), O_RDWR | O_CREAT, 0600))));
	fd[2] = SYS(inotify_add_watch(fd[0], path, IN_MODIFY));
}

static void inotify_check(void)
{
	char buf[400];
	const struct inotify_event *e = (const void *)buf;
	int f;

	SAME(read(fd[0], buf, sizeof(buf)), -1);
	SAME(errno, EAGAIN);
	SYS(close(SYS(open(in_dir("watched/new"), O_RDWR | O_CREAT, 0600))));
	CHECK(SYS(read(fd[0], buf, sizeof(buf))) > 0);
	SAME(e->wd, fd[1]);
	SAME(e->mask, IN_CREATE);
	CHECK(strcmp(e->name, "new") == 0);
	f = SYS(open(in_dir("file"), O_WRONLY));
	writes(f, "x");
	CHECK(SYS(read(fd[0], buf, sizeof(buf))) > 0);
	SAME(e->wd, fd[2]);
	SAME(e->mask, IN_MODIFY);
}

static void netlink_set(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = 5 };

	fd[0] = SYS(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	SYS(bind(fd[0], (struct sockaddr *)&at, sizeof(at)));
	SYS(getsockname(fd[0], (struct sockaddr *)&at, &(socklen_t){ sizeof(at) }));
	fd[1] = at.nl_pid;
}

static void netlink_check(void)
{
	struct sockaddr_nl at;

	SYS(getsockname(fd[0], (struct sockaddr *)&at, &(socklen_t){ sizeof(at) }));
	SAME(at.nl_pid, fd[1]);
	SAME(at.nl_groups, 5);
}

static void packet_set(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_LOOP),
				  .sll_ifindex = 1 };

	fd[0] = SYS(socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_LOOP)));
	SYS(bind(fd[0], (struct sockaddr *)&at, sizeof(at)));
}

static void packet_check(void)
{
	struct sockaddr_ll at;

	SYS(getsockname(fd[0], (struct sockaddr *)&at, &(socklen_t){ sizeof(at) }));
	SAME(at.sll_ifindex, 1);
	SAME(at.sll_protocol, htons(ETH_P_LOOP));
}

static const struct plain_kind kinds[] = {
	{ "rights", rights_set, rights_check },
	{ "abstract", abstract_set, abstract_check },
	{ "waiting", waiting_set, waiting_check },
	{ "unlinked", unlinked_set, unlinked_check },
	{ "listen", listen_set, listen_check },
	{ "tcp", tcp_set, tcp_check },
	{ "udp", udp_set, udp_check },
	{ "inotify", inotify_set, inotify_check },
	{ "netlink", netlink_set, netlink_check },
	{ "packet", packet_set, packet_check },
};

int main(int argc, char **argv)
{
	return plain_main(kinds, sizeof(kinds) / sizeof(kinds[0]), argc == 2 ? argv[1] : NULL);
}
