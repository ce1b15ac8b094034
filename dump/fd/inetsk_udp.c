/*
 * UDP and UDP-Lite. What was to be sent and is held back (UDP_CORK, MSG_MORE) nobody can see, so that is refused.
 *
 * Which groups a socket belongs to the kernel does not list; it tells, for one that is named, whether and how. All that are joined on
 * some interface are in /proc/net/igmp and igmp6.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "lib/io.h"

enum { SOURCES = 64, SENDING_MS = 100 };

/* What has left the socket is counted until the interface has sent it. */
static int check_held_back(int fd, struct err *e)
{
	int size = 0;

	for (int i = 0; i < SENDING_MS; i++) {
		if (ioctl(fd, SIOCOUTQ, &size) < 0)
			return err_sys(e, "ask what it is sending");
		if (!size)
			return 0;
		usleep(1000);
	}
	err_code(e, ENOTSUP,
		 "a datagram is being put together in it (UDP_CORK), which is not supported");
	return err_hint(e, "let the program send it before the dump");
}

int inetsk_read_datagrams(struct inetsk *s, int fd, struct err *e)
{
	struct pollfd look = { .fd = fd, .events = POLLIN | POLLRDHUP };

	if (inetsk_is_udp(s))
		s->entry->state = s->entry->dst_port ? TCP_ESTABLISHED : TCP_CLOSE;
	if (poll(&look, 1, 0) < 0)
		return err_sys(e, "poll");
	if (look.revents & POLLERR) {
		err_code(e, ENOTSUP, "an error waits to be reported to it, which is not supported");
		return err_hint(e, "let the program use the socket before the dump");
	}
	s->entry->has_shutdown = (look.revents & POLLRDHUP) != 0;
	s->entry->shutdown = look.revents & POLLHUP ? SK_SHUTDOWN__BOTH : SK_SHUTDOWN__READ;
	return s->entry->type == SOCK_DGRAM && !inetsk_is_udp(s) ? 0 : check_held_back(fd, e);
}

/* --- groups ----------------------------------------------------------------------------------------- */

struct group {
	uint32_t ifindex;
	struct sockaddr_storage address;
};

static int level_of(const struct group *g)
{
	return g->address.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
}

static ProtobufCBinaryData bytes_of(struct inetsk *s, const struct sockaddr_storage *a)
{
	const struct sockaddr_in6 *six = (const void *)a;
	const struct sockaddr_in *four = (const void *)a;
	bool is_six = a->ss_family == AF_INET6;
	ProtobufCBinaryData b = { .len = is_six ? 16 : 4 };

	b.data = pool_copy(&s->file->dump->pool,
			   is_six ? (const void *)&six->sin6_addr : &four->sin_addr, b.len);
	return b;
}

static int add_group(struct inetsk *s, const struct group_filter *f, const struct group *g,
		     struct err *e)
{
	struct pool *pool = &s->file->dump->pool;
	InetGroup *at = pool_new(pool, InetGroup);
	InetGroup **grown = pool_array(pool, InetGroup *, s->extra->n_groups + 1);
	char name[IF_NAMESIZE];

	if (f->gf_numsrc > SOURCES)
		return err_code(e, ENOTSUP,
				"it belongs to a group with %u sources; more than %d are not "
				"supported",
				f->gf_numsrc, SOURCES);
	if (!if_indextoname(g->ifindex, name))
		return err_sys(e, "find the interface %u of its group", g->ifindex);
	inet_group__init(at);
	at->ifname = pool_text(pool, name);
	at->group = bytes_of(s, &g->address);
	at->exclude = f->gf_fmode == MCAST_EXCLUDE;
	at->sources = pool_array(pool, ProtobufCBinaryData, f->gf_numsrc + 1);
	for (uint32_t i = 0; i < f->gf_numsrc; i++)
		at->sources[at->n_sources++] = bytes_of(s, &f->gf_slist[i]);
	if (s->extra->n_groups)
		memcpy(grown, s->extra->groups, s->extra->n_groups * sizeof(*grown));
	grown[s->extra->n_groups++] = at;
	s->extra->groups = grown;
	s->has_extra = true;
	return 0;
}

static int ask_group(struct inetsk *s, int fd, const struct group *g, struct err *e)
{
	union {
		struct group_filter f;
		char room[GROUP_FILTER_SIZE(SOURCES)];
	} u = { 0 };
	socklen_t size = sizeof(u);

	u.f.gf_interface = g->ifindex;
	u.f.gf_group = g->address;
	u.f.gf_numsrc = SOURCES;
	if (getsockopt(fd, level_of(g), MCAST_MSFILTER, &u, &size) < 0)
		return 0; /* it does not belong to that one */
	return add_group(s, &u.f, g, e);
}

/* "4 eth0 : 1 V3", and below it "\t\t\t\t010000E0 1 0:00000000 0" */
static int ask_four(struct inetsk *s, int fd, char *text, struct err *e)
{
	struct group g = { 0 };
	struct sockaddr_in *in = (void *)&g.address;
	char *rest;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		in->sin_family = AF_INET;
		if (line[0] != '\t')
			g.ifindex = strtoul(line, NULL, 10);
		else if (sscanf(line, "%x", &in->sin_addr.s_addr) == 1 &&
			 ask_group(s, fd, &g, e) < 0)
			return e->code;
	}
	return 0;
}

/* "4 eth0 ff020000000000000000000000000001 1 0000000C 0" */
static int ask_six(struct inetsk *s, int fd, char *text, struct err *e)
{
	struct group g = { 0 };
	struct sockaddr_in6 *in6 = (void *)&g.address;
	char *rest, hex[33];

	in6->sin6_family = AF_INET6;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (sscanf(line, "%u %*s %32s", &g.ifindex, hex) != 2)
			continue;
		for (int i = 0; i < 16; i++)
			sscanf(hex + 2 * i, "%2hhx", &in6->sin6_addr.s6_addr[i]);
		if (ask_group(s, fd, &g, e) < 0)
			return e->code;
	}
	return 0;
}

static int ask_all(struct inetsk *s, int fd, const char *path,
		   int (*ask)(struct inetsk *s, int fd, char *text, struct err *e), struct err *e)
{
	own_mem char *text = NULL;
	size_t size;
	int res = io_slurp(AT_FDCWD, path, &text, &size, e);

	if (res == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	return res < 0 ? res : ask(s, fd, text, e);
}

int inetsk_read_groups(struct inetsk *s, int fd, struct err *e)
{
	if (inetsk_is_tcp(s))
		return 0;
	if (ask_all(s, fd, "/proc/self/net/igmp", ask_four, e) < 0)
		return e->code;
	return s->entry->family == AF_INET6 ? ask_all(s, fd, "/proc/self/net/igmp6", ask_six, e) :
					      0;
}
