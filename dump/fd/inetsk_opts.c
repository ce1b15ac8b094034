/*
 * Options of IPv4, IPv6 and TCP sockets. What CRIU's messages have fields for goes there; beside that each option that is not
 * as in a new socket is kept with its bytes, whatever it means.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "dump/files_table.h"
#include "dump/sk_opts.h"

enum { VALUE_SIZE = 256 };

/* Names that headers do not have yet. */
enum {
	TCP_AUTHENTICATION = 40, /* TCP_AO_INFO */
	TCP_RTO_MAX = 44,
	TCP_RTO_MIN = 45,
	TCP_DELACK_MAX = 46,
	IP_PORT_RANGE = 51,
	SENT_COVERAGE = 10,
	RECEIVED_COVERAGE = 11,
	SO_RXREHASH = 74,
	SO_MARK_RECEIVED = 75,
	SO_PRIORITY_RECEIVED = 82,
};

enum where {
	EVERYWHERE,
	UNCONNECTED, /* in a connection it is something else */
	DATAGRAMS,   /* a connection has something there that cannot be set */
};

struct option_name {
	int level, name;
	enum where where;
};

static const struct option_name names[] = {
	{ SOL_SOCKET, SO_DEBUG, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMP, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMPNS, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMPING, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMP_NEW, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMPNS_NEW, EVERYWHERE },
	{ SOL_SOCKET, SO_TIMESTAMPING_NEW, EVERYWHERE },
	{ SOL_SOCKET, SO_RXQ_OVFL, EVERYWHERE },
	{ SOL_SOCKET, SO_WIFI_STATUS, EVERYWHERE },
	{ SOL_SOCKET, SO_NOFCS, EVERYWHERE },
	{ SOL_SOCKET, SO_SELECT_ERR_QUEUE, EVERYWHERE },
	{ SOL_SOCKET, SO_BUSY_POLL, EVERYWHERE },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, EVERYWHERE },
	{ SOL_SOCKET, SO_ZEROCOPY, EVERYWHERE },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL, EVERYWHERE },
	{ SOL_SOCKET, SO_BUSY_POLL_BUDGET, EVERYWHERE },
	{ SOL_SOCKET, SO_RXREHASH, EVERYWHERE },
	{ SOL_SOCKET, SO_MARK_RECEIVED, EVERYWHERE },
	{ SOL_SOCKET, SO_PRIORITY_RECEIVED, EVERYWHERE },
	{ SOL_SOCKET, SO_PEEK_OFF, EVERYWHERE },
	{ SOL_SOCKET, SO_LOCK_FILTER, EVERYWHERE },
	{ IPPROTO_IP, IP_TOS, EVERYWHERE },
	{ IPPROTO_IP, IP_TTL, EVERYWHERE },
	{ IPPROTO_IP, IP_OPTIONS, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVOPTS, EVERYWHERE },
	{ IPPROTO_IP, IP_RETOPTS, EVERYWHERE },
	{ IPPROTO_IP, IP_PKTINFO, EVERYWHERE },
	{ IPPROTO_IP, IP_MTU_DISCOVER, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVERR, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVTTL, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVTOS, EVERYWHERE },
	{ IPPROTO_IP, IP_FREEBIND, EVERYWHERE },
	{ IPPROTO_IP, IP_PASSSEC, EVERYWHERE },
	{ IPPROTO_IP, IP_TRANSPARENT, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR, EVERYWHERE },
	{ IPPROTO_IP, IP_MINTTL, EVERYWHERE },
	{ IPPROTO_IP, IP_CHECKSUM, EVERYWHERE },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVFRAGSIZE, EVERYWHERE },
	{ IPPROTO_IP, IP_RECVERR_RFC4884, EVERYWHERE },
	{ IPPROTO_IP, IP_UNICAST_IF, EVERYWHERE },
	{ IPPROTO_IP, IP_PORT_RANGE, EVERYWHERE },
	{ IPPROTO_IP, IP_MULTICAST_TTL, DATAGRAMS },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, DATAGRAMS },
	{ IPPROTO_IP, IP_MULTICAST_ALL, DATAGRAMS },
	{ IPPROTO_IP, IP_MULTICAST_IF, DATAGRAMS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS, DATAGRAMS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, DATAGRAMS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_ALL, DATAGRAMS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_IF, DATAGRAMS },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_TCLASS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVERR, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVRTHDR, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVHOPOPTS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVDSTOPTS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVPATHMTU, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVFRAGSIZE, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RECVERR_RFC4884, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_FLOWINFO, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_FLOWINFO_SEND, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_FREEBIND, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_MINHOPCOUNT, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_UNICAST_IF, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_HOPOPTS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_RTHDR, EVERYWHERE },
	{ IPPROTO_IPV6, IPV6_DSTOPTS, EVERYWHERE },
	{ IPPROTO_RAW, IPV6_CHECKSUM, EVERYWHERE },
	{ IPPROTO_UDP, UDP_CORK, EVERYWHERE },
	{ IPPROTO_UDP, UDP_ENCAP, EVERYWHERE },
	{ IPPROTO_UDP, UDP_NO_CHECK6_TX, EVERYWHERE },
	{ IPPROTO_UDP, UDP_NO_CHECK6_RX, EVERYWHERE },
	{ IPPROTO_UDP, UDP_SEGMENT, EVERYWHERE },
	{ IPPROTO_UDP, UDP_GRO, EVERYWHERE },
	{ IPPROTO_UDPLITE, SENT_COVERAGE, EVERYWHERE },
	{ IPPROTO_UDPLITE, RECEIVED_COVERAGE, EVERYWHERE },
	{ IPPROTO_TCP, TCP_MAXSEG, UNCONNECTED },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, UNCONNECTED },
	{ IPPROTO_TCP, TCP_FASTOPEN, UNCONNECTED },
	{ IPPROTO_TCP, TCP_FASTOPEN_KEY, UNCONNECTED },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, UNCONNECTED },
	{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, UNCONNECTED },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, UNCONNECTED },
	{ IPPROTO_TCP, TCP_SAVE_SYN, UNCONNECTED },
	{ IPPROTO_TCP, TCP_CORK, EVERYWHERE },
	{ IPPROTO_TCP, TCP_NODELAY, EVERYWHERE },
	{ IPPROTO_TCP, TCP_KEEPIDLE, EVERYWHERE },
	{ IPPROTO_TCP, TCP_KEEPINTVL, EVERYWHERE },
	{ IPPROTO_TCP, TCP_KEEPCNT, EVERYWHERE },
	{ IPPROTO_TCP, TCP_SYNCNT, EVERYWHERE },
	{ IPPROTO_TCP, TCP_LINGER2, EVERYWHERE },
	{ IPPROTO_TCP, TCP_CONGESTION, EVERYWHERE },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, EVERYWHERE },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, EVERYWHERE },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, EVERYWHERE },
	{ IPPROTO_TCP, TCP_INQ, EVERYWHERE },
	{ IPPROTO_TCP, TCP_TX_DELAY, EVERYWHERE },
	{ IPPROTO_TCP, TCP_RTO_MAX, EVERYWHERE },
	{ IPPROTO_TCP, TCP_RTO_MIN, EVERYWHERE },
	{ IPPROTO_TCP, TCP_DELACK_MAX, EVERYWHERE },
};

/* Errors of a socket that has an option, but nothing to say about it now, are others than this. */
enum { FAILS = -1, UNKNOWN = -2 };

/* What new sockets of a family, type and protocol say, asked once. */
struct inet_usual {
	int family, type, protocol;
	uint64_t namespace; /* SO_NETNS_COOKIE, 0: this kernel has no such thing */
	int size[ARRAY_SIZE(names)];
	char value[ARRAY_SIZE(names)][VALUE_SIZE + 1];
	struct inet_usual *next;
};

/* As strings they have a length of their own, which setsockopt takes as well. */
static int get(int fd, const struct option_name *o, char ret[VALUE_SIZE + 1])
{
	socklen_t size = VALUE_SIZE;

	if (getsockopt(fd, o->level, o->name, ret, &size) < 0)
		return errno == ENOPROTOOPT || errno == EOPNOTSUPP ? UNKNOWN : FAILS;
	ret[size] = 0;
	return size;
}

static uint64_t socket_namespace(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0 ? 0 : cookie;
}

static int usual_of(struct inetsk *s, const struct inet_usual **ret, struct err *e)
{
	struct files *files = s->file->dump->files;
	const InetSkEntry *sk = s->entry;
	struct inet_usual *u = files->inet_usual;
	bool plain = sk->type == SOCK_DGRAM &&
		     !inetsk_is_udp(s); /* not everybody may make one of ICMP */
	int protocol = plain ? 0 : sk->proto;

	while (u && (u->family != (int)sk->family || u->type != (int)sk->type ||
		     u->protocol != protocol))
		u = u->next;
	if (u) {
		*ret = u;
		return 0;
	}
	own_fd fresh = socket(sk->family, sk->type | SOCK_CLOEXEC, protocol);
	if (fresh < 0)
		return err_sys(e, "make a socket like it");
	u = pool_new(&s->file->dump->pool, struct inet_usual);
	u->family = sk->family;
	u->type = sk->type;
	u->protocol = protocol;
	u->namespace = socket_namespace(fresh);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		u->size[i] = get(fresh, &names[i], u->value[i]);
	u->next = files->inet_usual;
	files->inet_usual = u;
	*ret = u;
	return 0;
}

/* A socket belongs to the network namespace that it was made in, wherever its owner is now. */
static int check_namespace(int fd, const struct inet_usual *usual, struct err *e)
{
	struct stat a, b;

	if (usual->namespace && usual->namespace == socket_namespace(fd))
		return 0;
	own_fd its = ioctl(fd, SIOCGSKNS);
	own_fd ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (its < 0 || ours < 0 || fstat(its, &a) < 0 || fstat(ours, &b) < 0)
		return err_sys(e, "ask for its network namespace");
	if (a.st_ino == b.st_ino)
		return 0;
	err_code(e, ENOTSUP, "it is of another network namespace");
	return err_hint(e, "run stasis in that one");
}

static void keep(struct inetsk *s, const struct option_name *o, const void *value, int size)
{
	struct pool *pool = &s->file->dump->pool;
	InetOption *kept = pool_new(pool, InetOption);

	inet_option__init(kept);
	kept->level = o->level;
	kept->name = o->name;
	kept->value.data = pool_copy(pool, value, size + 1);
	kept->value.len = size;
	s->extra->options[s->extra->n_options++] = kept;
	s->has_extra = true;
}

/* What its connection has left of these stays when that is over. */
static bool has_ended(const struct inetsk *s)
{
	return s->entry->has_shutdown || s->extra->has_reset;
}

static bool has_option(const struct inetsk *s, const struct option_name *o)
{
	if (o->where == UNCONNECTED)
		return !inetsk_is_connected(s) && !has_ended(s);
	return o->where != DATAGRAMS || s->entry->type == SOCK_DGRAM;
}

/* The first four bytes of each. */
struct asked {
	uint32_t number[ARRAY_SIZE(names)];
};

/* What this kernel does not know for such sockets cannot have been set. */
static void read_others(struct inetsk *s, int fd, const struct inet_usual *usual, struct asked *ret)
{
	char is[VALUE_SIZE + 1];

	s->extra->options = pool_array(&s->file->dump->pool, InetOption *, ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int size;

		if (usual->size[i] == UNKNOWN || !has_option(s, &names[i]))
			continue;
		size = get(fd, &names[i], is);
		if (size == sizeof(uint32_t))
			memcpy(&ret->number[i], is, size);
		if (size >= 0 && (size != usual->size[i] || memcmp(is, usual->value[i], size) != 0))
			keep(s, &names[i], is, size);
	}
}

/* A number that is kept by its own field as well. */
static uint32_t number(const struct asked *asked, int level, int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].level == level && names[i].name == name)
			return asked->number[i];
	return 0;
}

static void read_ip(struct inetsk *s, const struct asked *asked)
{
	IpOptsEntry *ip = pool_new(&s->file->dump->pool, IpOptsEntry);
	bool six = s->entry->family == AF_INET6;

	ip_opts_entry__init(ip);
	s->entry->ip_opts = ip;
	ip->freebind = six ? number(asked, IPPROTO_IPV6, IPV6_FREEBIND) :
			     number(asked, IPPROTO_IP, IP_FREEBIND);
	ip->has_freebind = ip->freebind;
	ip->pktinfo = six ? number(asked, IPPROTO_IPV6, IPV6_RECVPKTINFO) :
			    number(asked, IPPROTO_IP, IP_PKTINFO);
	ip->has_pktinfo = ip->pktinfo;
	if (six)
		return;
	ip->tos = number(asked, IPPROTO_IP, IP_TOS);
	ip->has_tos = ip->tos != 0;
	ip->ttl = number(asked, IPPROTO_IP, IP_TTL);
	ip->has_ttl = ip->ttl != 0;
}

static void read_tcp(struct inetsk *s, const struct asked *asked)
{
	TcpOptsEntry *tcp = pool_new(&s->file->dump->pool, TcpOptsEntry);

	tcp_opts_entry__init(tcp);
	s->entry->tcp_opts = tcp;
	tcp->cork = number(asked, IPPROTO_TCP, TCP_CORK);
	tcp->has_cork = tcp->cork;
	tcp->nodelay = number(asked, IPPROTO_TCP, TCP_NODELAY);
	tcp->has_nodelay = tcp->nodelay;
	tcp->keepcnt = number(asked, IPPROTO_TCP, TCP_KEEPCNT);
	tcp->has_keepcnt = tcp->keepcnt != 0;
	tcp->keepidle = number(asked, IPPROTO_TCP, TCP_KEEPIDLE);
	tcp->has_keepidle = tcp->keepidle != 0;
	tcp->keepintvl = number(asked, IPPROTO_TCP, TCP_KEEPINTVL);
	tcp->has_keepintvl = tcp->keepintvl != 0;
}

/* Protocols on top of TCP (TLS) change what is in a connection. */
static int check_ulp(int fd, struct err *e)
{
	char name[32] = "";
	socklen_t size = sizeof(name) - 1;

	/* A socket of MPTCP is one of TCP below. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, name, &size) < 0 || !size || !name[0] ||
	    strcmp(name, "mptcp") == 0)
		return 0;
	err_code(e, ENOTSUP, "its kernel does '%s' in it (TCP_ULP), which is not supported", name);
	return err_hint(e, "let the program close it before the dump");
}

/* Keys can be asked for, but a connection with them cannot be made again. */
static int check_keys(int fd, struct err *e)
{
	char info[VALUE_SIZE] = "";
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_AUTHENTICATION, info, &size) < 0)
		return 0;
	err_code(e, ENOTSUP, "it has keys of TCP-AO, which is not supported");
	return err_hint(e, "let the program close it before the dump");
}

int inetsk_check_namespace(struct inetsk *s, int fd, struct err *e)
{
	const struct inet_usual *usual;

	return usual_of(s, &usual, e) < 0 ? e->code : check_namespace(fd, usual, e);
}

int inetsk_read_options(struct inetsk *s, int fd, struct err *e)
{
	const struct inet_usual *usual;
	struct asked asked = { 0 };

	if (usual_of(s, &usual, e) < 0)
		return e->code;
	if (sk_opts_read(s->file->dump, fd, &s->entry->opts, e) < 0 ||
	    (inetsk_is_tcp(s) && (check_ulp(fd, e) < 0 || check_keys(fd, e) < 0)))
		return e->code;
	read_others(s, fd, usual, &asked);
	read_ip(s, &asked);
	inetsk_read_raw_options(s, fd);
	if (inetsk_is_tcp(s))
		read_tcp(s, &asked);
	return 0;
}
