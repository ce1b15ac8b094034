/*
 * IPv4 and IPv6 sockets: TCP, UDP, UDP-Lite, raw ones, ICMP. A copy of the descriptor tells addresses, state and options. What is in a connection is read last of
 * all, behind a network lock (dump/fd/inetsk_tcp.c); until then packets come and go as before.
 */
#include "dump/fd/inetsk.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/dump.h"
#include "dump/ns.h"
#include "images/image.h"
#include "lib/netlink.h"

extern const struct fd_kind inetsk_fd_kind;

struct inetsk *inetsk_of(const struct file *f)
{
	return f->note;
}

static uint32_t option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static bool inetsk_match(const struct file *f)
{
	uint32_t family, protocol;

	if (!S_ISSOCK(f->st.st_mode) || strncmp(f->link, "socket:[", 8) != 0)
		return false;
	family = option(f->fd, SO_DOMAIN);
	protocol = option(f->fd, SO_PROTOCOL);
	if (family != AF_INET && family != AF_INET6)
		return false;
	switch (option(f->fd, SO_TYPE)) {
	case SOCK_STREAM:
		return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
	case SOCK_DGRAM:
		return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
		       protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
	case SOCK_RAW:
		return true;
	default:
		return false;
	}
}

bool inetsk_is_tcp(const struct inetsk *s)
{
	return s->entry->type == SOCK_STREAM;
}

bool inetsk_is_udp(const struct inetsk *s)
{
	return s->entry->type == SOCK_DGRAM &&
	       (s->entry->proto == IPPROTO_UDP || s->entry->proto == IPPROTO_UDPLITE);
}

bool inetsk_is_connected(const struct inetsk *s)
{
	return inetsk_is_tcp(s) && s->entry->state != TCP_CLOSE && s->entry->state != TCP_LISTEN;
}

/* --- addresses ----------------------------------------------------------------------------------- */

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

/* Words that hold the bytes of the address in network order. */
static uint32_t *words(struct inetsk *s, const union address *a, size_t *ret_count)
{
	struct pool *pool = &s->file->dump->pool;

	*ret_count = s->entry->family == AF_INET6 ? 4 : 1;
	if (s->entry->family == AF_INET6)
		return pool_copy(pool, &a->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	return pool_copy(pool, &a->in.sin_addr, sizeof(a->in.sin_addr));
}

static uint32_t port(const struct inetsk *s, const union address *a)
{
	return ntohs(s->entry->family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

static int read_scope(struct inetsk *s, const union address *a, struct err *e)
{
	char name[IF_NAMESIZE];
	uint32_t scope = s->entry->family == AF_INET6 ? a->in6.sin6_scope_id : 0;

	if (!scope || s->entry->ifname)
		return 0;
	if (!if_indextoname(scope, name))
		return err_sys(e, "its address is of an interface, %u, that is gone", scope);
	s->entry->ifname = pool_text(&s->file->dump->pool, name);
	return 0;
}

static int read_called(struct inetsk *s, struct err *e)
{
	InetSkEntry *sk = s->entry;
	uint16_t to = 0;
	uint8_t address[16];

	/* Answered just now, or refused: it is in another state than a moment ago. */
	if (netlink_tcp_called(sk->family, sk->ino, &to, address) < 0)
		return err_code(e, EAGAIN, "its state changes all the time");
	sk->dst_addr = pool_copy(&s->file->dump->pool, address, sizeof(address));
	sk->dst_port = to;
	return 0;
}

static int read_addresses(struct inetsk *s, int fd, struct err *e)
{
	InetSkEntry *sk = s->entry;
	union address here = { 0 }, there = { 0 };
	socklen_t size = sizeof(here);

	if (getsockname(fd, &here.any, &size) < 0)
		return err_sys(e, "ask for its address");
	size = sizeof(there);
	if (getpeername(fd, &there.any, &size) < 0)
		there = (union address){ 0 }; /* it has none */
	sk->src_addr = words(s, &here, &sk->n_src_addr);
	sk->dst_addr = words(s, &there, &sk->n_dst_addr);
	sk->src_port = port(s, &here);
	sk->dst_port = port(s, &there);
	if (read_scope(s, &here, e) < 0 || read_scope(s, &there, e) < 0)
		return e->code;
	return sk->state == TCP_SYN_SENT ? read_called(s, e) : 0;
}

/* --- state --------------------------------------------------------------------------------------- */

/* Which error it is only reading it tells, which would take it. */
static int look_at_error(struct inetsk *s, struct err *e)
{
	if (s->entry->state == TCP_CLOSE) {
		s->extra->has_reset = s->extra->reset = s->has_extra = true;
		return 0;
	}
	err_code(e, ENOTSUP,
		 "something waits in its queue of errors (MSG_ERRQUEUE), which is not supported");
	return err_hint(e, "let the program read it before the dump");
}

static int look_for_trouble(struct inetsk *s, int fd, struct err *e)
{
	struct pollfd look = { .fd = fd, .events = POLLIN | POLLPRI | POLLRDHUP };
	uint32_t state = s->entry->state;

	if (poll(&look, 1, 0) < 0)
		return err_sys(e, "poll");
	if (look.revents & POLLERR && look_at_error(s, e) < 0)
		return e->code;
	if (look.revents & POLLPRI) {
		err_code(e, ENOTSUP, "urgent data waits in it, which is not supported");
		return err_hint(e, "let the program read it before the dump");
	}
	/* Whoever is connected and has not got the end of the other side has shut it down himself. */
	s->entry->has_shutdown = (look.revents & POLLRDHUP) && state != TCP_LISTEN &&
				 state != TCP_CLOSE_WAIT;
	s->entry->shutdown = state == TCP_CLOSE ? SK_SHUTDOWN__BOTH : SK_SHUTDOWN__READ;
	return 0;
}

/* For a listening socket the kernel gives the lengths of its queue under other names. */
static int read_listening(struct inetsk *s, const struct tcp_info *info, struct err *e)
{
	const struct options *opt = s->file->dump->opt;

	s->entry->backlog = info->tcpi_sacked;
	s->waiting = opt->skip_in_flight ? 0 : info->tcpi_unacked;
	if (s->waiting && s->entry->proto == IPPROTO_MPTCP) {
		err_code(e, ENOTSUP, "%u connections wait in it, which may be of MPTCP",
			 s->waiting);
		return err_hint(e, "--skip-in-flight drops them");
	}
	if (!s->waiting || opt->tcp_established)
		return 0;
	err_code(e, ENOTSUP, "%u connections that were not accepted yet wait in it", s->waiting);
	return err_hint(e, "--tcp-established carries them, --skip-in-flight drops them");
}

/* Who listens for MPTCP gets plain connections of those who have not heard of it; there is nothing like TCP_REPAIR for others. */
static int refuse_mptcp(struct err *e)
{
	err_code(
		e, ENOTSUP,
		"connections of MPTCP are not supported: the kernel does not tell what is in them");
	return err_hint(e, "let the program close it before the dump");
}

static int check_option(const struct inetsk *s, int fd, struct err *e)
{
	const struct options *opt = s->file->dump->opt;
	char what[256];

	if (s->entry->proto == IPPROTO_MPTCP)
		return refuse_mptcp(e);

	if (opt->tcp_established || opt->tcp_close)
		return 0;
	netlink_socket_describe(fd, what, sizeof(what));
	err_code(e, ENOTSUP, "it is a connection, %s", what);
	return err_hint(e, "--tcp-established carries connections, --tcp-close closes them");
}

static int read_state(struct inetsk *s, int fd, struct err *e)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (!inetsk_is_tcp(s))
		return read_addresses(s, fd, e) < 0 || inetsk_read_raw_peer(s, e) < 0 ?
			       e->code :
			       inetsk_read_datagrams(s, fd, e);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return err_sys(e, "ask for its state");
	s->extra->has_reset = false;
	s->entry->state = info.tcpi_state;
	if (info.tcpi_state == TCP_LISTEN && read_listening(s, &info, e) < 0)
		return e->code;
	if (read_addresses(s, fd, e) < 0 || look_for_trouble(s, fd, e) < 0)
		return e->code;
	if (s->entry->proto == IPPROTO_MPTCP && (s->entry->has_shutdown || s->extra->has_reset))
		return refuse_mptcp(e);
	return inetsk_is_connected(s) ? check_option(s, fd, e) : 0;
}

int inetsk_read_state(struct inetsk *s, int fd, struct err *e)
{
	int res = -EAGAIN;

	for (int tries = 0; res == -EAGAIN && tries < 3; tries++) {
		*e = (struct err){ 0 };
		res = read_state(s, fd, e);
	}
	return res;
}

/* --- the kind ------------------------------------------------------------------------------------ */

/* What fstat(2) tells of the socket itself. */
static void read_owner(struct inetsk *s)
{
	const struct stat *st = &s->file->st;
	InetExtraEntry *x = s->extra;

	if (st->st_mode == (S_IFSOCK | 0777) && !st->st_uid && !st->st_gid)
		return;
	x->has_uid = x->has_gid = x->has_mode = 1;
	x->uid = st->st_uid;
	x->gid = st->st_gid;
	x->mode = st->st_mode;
	s->has_extra = true;
}

static struct inetsk *inetsk_new(struct file *f, FileEntry *entry)
{
	struct pool *pool = &f->dump->pool;
	struct inetsk *s = pool_new(pool, struct inetsk);

	s->file = f;
	s->entry = entry->isk = pool_new(pool, InetSkEntry);
	s->extra = pool_new(pool, InetExtraEntry);
	inet_sk_entry__init(s->entry);
	inet_extra_entry__init(s->extra);
	f->note = s;
	return s;
}

static int inetsk_dump(struct file *f, FileEntry *entry, struct err *e)
{
	struct inetsk *s = inetsk_new(f, entry);
	InetSkEntry *sk = s->entry;
	int only = 0;
	socklen_t size = sizeof(only);

	s->extra->id = sk->id = f->id;
	sk->ino = f->st.st_ino;
	sk->family = option(f->fd, SO_DOMAIN);
	sk->type = option(f->fd, SO_TYPE);
	sk->proto = option(f->fd, SO_PROTOCOL);
	sk->flags = f->flags;
	sk->fown = f->fown;
	sk->has_ns_id = ns_of_sockets(f->dump, &sk->ns_id);
	if (sk->family == AF_INET6) {
		if (getsockopt(f->fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &size) < 0)
			return err_sys(e, "ask whether it is for IPv6 only");
		sk->has_v6only = 1;
		sk->v6only = only;
	}
	if (inetsk_check_namespace(s, f->fd, e) < 0 || inetsk_read_state(s, f->fd, e) < 0)
		return e->code;
	read_owner(s);
	return inetsk_read_groups(s, f->fd, e) < 0 ? e->code : inetsk_read_options(s, f->fd, e);
}

static int save_extra(struct dump *d, struct err *e)
{
	own_image img = {};

	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));) {
		const struct inetsk *s = inetsk_of(f);

		if (!s->has_extra)
			continue;
		if (!img.file && image_create(&img, d->images, IMG_INET_EXTRA, 0, e) < 0)
			return e->code;
		if (image_write(&img, s->extra, e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

static int inetsk_finish(struct dump *d, struct err *e)
{
	return inetsk_save_connections(d, e) < 0 ? e->code : save_extra(d, e);
}

const struct fd_kind inetsk_fd_kind = {
	.name = "fd/inetsk",
	.type = FD_TYPES__INETSK,
	.match = inetsk_match,
	.dump = inetsk_dump,
	.finish = inetsk_finish,
};
