/*
 * IPv4 and IPv6 sockets: TCP, UDP, UDP-Lite, raw ones, ICMP. All are made together, since they may be in each other's way: first those that have an address and no
 * peer are bound, then some of them listen, then connections are made behind a network lock (restore/fd/inetsk_tcp.c).
 *
 * Several sockets may share a port that they could not come to in any order (an option was changed behind that), so while they are
 * bound all of them have SO_REUSEADDR. A dry run makes sockets and binds nothing, which others could see.
 */
#include "restore/fd/inetsk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "restore/network.h"
#include "restore/sk_opts.h"

enum { LOCKED_BY_NOBODY = 2 }; /* network_lock_method */

int rinet_address(const struct rinet *s, bool there, union inet_address *ret, socklen_t *ret_size,
		  struct err *e)
{
	const InetSkEntry *sk = s->entry;
	const uint32_t *words = there ? sk->dst_addr : sk->src_addr;
	uint16_t port = htons(there ? sk->dst_port : sk->src_port);

	memset(ret, 0, sizeof(*ret));
	if (sk->family == AF_INET) {
		ret->in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
		memcpy(&ret->in.sin_addr, words, 4);
		*ret_size = sizeof(ret->in);
		return 0;
	}
	ret->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
	memcpy(&ret->in6.sin6_addr, words, 16);
	*ret_size = sizeof(ret->in6);
	if (!sk->ifname || !IN6_IS_ADDR_LINKLOCAL(&ret->in6.sin6_addr))
		return 0;
	ret->in6.sin6_scope_id = if_nametoindex(sk->ifname);
	return ret->in6.sin6_scope_id ? 0 : err_sys(e, "find its interface '%s'", sk->ifname);
}

void rinet_words(const struct rinet *s, bool there, char *buf, size_t size)
{
	const InetSkEntry *sk = s->entry;
	bool six = sk->family == AF_INET6;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(sk->family, there ? sk->dst_addr : sk->src_addr, text, sizeof(text));
	snprintf(buf, size, six ? "[%s]:%u" : "%s:%u", text, there ? sk->dst_port : sk->src_port);
}

static bool has_address(const struct rinet *s)
{
	static const uint32_t none[4];

	return s->entry->src_port ||
	       memcmp(s->entry->src_addr, none, s->entry->n_src_addr * sizeof(uint32_t)) != 0;
}

int rinet_bind(const struct rinet *s, struct err *e)
{
	union inet_address address;
	socklen_t size;
	char words[64];

	if (!has_address(s))
		return 0;
	if (rinet_address(s, false, &address, &size, e) < 0)
		return e->code;
	if (bind(s->fd, &address.any, size) == 0)
		return 0;
	rinet_words(s, false, words, sizeof(words));
	err_sys(e, "bind it to %s", words);
	if (e->code == -EADDRINUSE)
		return err_hint(e, "end the process that has this address");
	return e->code == -EADDRNOTAVAIL ? err_hint(e, "give that address to an interface here") :
					   e->code;
}

/* --- options --------------------------------------------------------------------------------------- */

static int set_option(int fd, const InetOption *o, struct err *e)
{
	char now[256];
	socklen_t size = sizeof(now);

	if (getsockopt(fd, o->level, o->name, now, &size) == 0 && size == o->value.len &&
	    memcmp(now, o->value.data, size) == 0)
		return 0;
	return setsockopt(fd, o->level, o->name, o->value.data, o->value.len) < 0 ?
		       err_sys(e, "set option %u of level %u", o->name, o->level) :
		       0;
}

/* Those of the socket itself come last of all, since some forbid things (SO_LOCK_FILTER); those of IP and TCP before it has an address. */
static int set_options(const struct rinet *s, bool of_socket, struct err *e)
{
	for (size_t i = 0; s->extra && i < s->extra->n_options; i++) {
		const InetOption *o = s->extra->options[i];

		if ((o->level == SOL_SOCKET) == of_socket && set_option(s->fd, o, e) < 0)
			return e->code;
	}
	return 0;
}

struct number {
	bool has;
	int level, name, value;
};

static int set_numbers(int fd, const struct number *all, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		int now = 0;
		socklen_t size = sizeof(now);

		if (!all[i].has)
			continue;
		if (getsockopt(fd, all[i].level, all[i].name, &now, &size) == 0 &&
		    now == all[i].value)
			continue;
		if (setsockopt(fd, all[i].level, all[i].name, &all[i].value, sizeof(int)) < 0)
			return err_sys(e, "set option %d of level %d to %d", all[i].name,
				       all[i].level, all[i].value);
	}
	return 0;
}

static int set_ip(const struct rinet *s, struct err *e)
{
	const IpOptsEntry *ip = s->entry->ip_opts;
	bool six = s->entry->family == AF_INET6;

	if (six && s->entry->has_v6only) {
		struct number only = { true, IPPROTO_IPV6, IPV6_V6ONLY, s->entry->v6only };

		if (set_numbers(s->fd, &only, 1, e) < 0)
			return e->code;
	}
	if (!ip)
		return 0;
	const struct number all[] = {
		{ ip->has_freebind && !six, IPPROTO_IP, IP_FREEBIND, ip->freebind },
		{ ip->has_freebind && six, IPPROTO_IPV6, IPV6_FREEBIND, ip->freebind },
		{ ip->has_pktinfo && !six, IPPROTO_IP, IP_PKTINFO, ip->pktinfo },
		{ ip->has_pktinfo && six, IPPROTO_IPV6, IPV6_RECVPKTINFO, ip->pktinfo },
		{ ip->has_tos, IPPROTO_IP, IP_TOS, ip->tos },
		{ ip->has_ttl, IPPROTO_IP, IP_TTL, ip->ttl },
	};

	return set_numbers(s->fd, all, ARRAY_SIZE(all), e) < 0 ? e->code : rinet_set_raw(s, e);
}

static int set_tcp(const struct rinet *s, struct err *e)
{
	const TcpOptsEntry *t = s->entry->tcp_opts;

	if (!t)
		return 0;
	const struct number all[] = {
		{ t->has_cork, IPPROTO_TCP, TCP_CORK, t->cork },
		{ t->has_nodelay, IPPROTO_TCP, TCP_NODELAY, t->nodelay },
		{ t->has_keepcnt, IPPROTO_TCP, TCP_KEEPCNT, t->keepcnt },
		{ t->has_keepidle, IPPROTO_TCP, TCP_KEEPIDLE, t->keepidle },
		{ t->has_keepintvl, IPPROTO_TCP, TCP_KEEPINTVL, t->keepintvl },
	};

	return set_numbers(s->fd, all, ARRAY_SIZE(all), e);
}

/* What decides where it belongs, and whom it may share its port with. */
static int set_early(const struct rinet *s, bool shares, struct err *e)
{
	const SkOptsEntry *o = s->entry->opts;
	const struct number all[] = {
		{ true, SOL_SOCKET, SO_REUSEADDR, shares || o->reuseaddr },
		{ o->has_so_reuseport, SOL_SOCKET, SO_REUSEPORT, o->so_reuseport },
		{ o->has_so_mark, SOL_SOCKET, SO_MARK, o->so_mark },
		{ o->has_so_dontroute, SOL_SOCKET, SO_DONTROUTE, o->so_dontroute },
	};

	if (set_numbers(s->fd, all, ARRAY_SIZE(all), e) < 0 ||
	    sk_opts_set_device(s->fd, o, e) < 0 || set_ip(s, e) < 0 || set_tcp(s, e) < 0)
		return e->code;
	return set_options(s, false, e);
}

/* --- one after the other ---------------------------------------------------------------------------- */

static bool shares_port(const struct rinets *all, const struct rinet *s)
{
	return s->entry->src_port && all->on_port[s->entry->src_port] > 1;
}

static int make(struct rinets *all, struct rinet *s, struct err *e)
{
	const InetSkEntry *sk = s->entry;
	const InetExtraEntry *x = s->extra;

	s->fd = rinet_socket(sk, e);
	if (s->fd < 0)
		return e->code;
	if (s->r->opt->dry_run)
		return 0;
	/* Sockets may share a port if they have the same owner. */
	if (x && x->has_uid &&
	    (fchown(s->fd, x->uid, x->gid) < 0 || fchmod(s->fd, x->mode & 07777) < 0))
		return err_sys(e, "set its owner and mode");
	return set_early(s, shares_port(all, s), e);
}

/* One whose connection has ended holds its port no more, and somebody else may have it. */
static int bind_alone(const struct rinet *s, struct err *e)
{
	bool was_connected = s->entry->state == INETSK_CLOSE && s->entry->has_shutdown &&
			     s->entry->shutdown == SK_SHUTDOWN__BOTH;

	if (rinet_bind(s, e) == 0 || !was_connected)
		return e->code;
	log_debug("file %u: %s", s->entry->id, e->text);
	*e = (struct err){ 0 };
	return 0;
}

static int begin(struct rinets *all, struct rinet *s, struct err *e)
{
	if (make(all, s, e) < 0)
		return e->code;
	return s->r->opt->dry_run || rinet_has_peer(s) || s->ended ? 0 : bind_alone(s, e);
}

static int hear(struct rinets *all, struct rinet *s, struct err *e)
{
	(void)all;
	if (s->entry->state != INETSK_LISTEN || listen(s->fd, s->entry->backlog) == 0)
		return 0;
	err_sys(e, "listen");
	return e->code == -EADDRINUSE ? err_hint(e, "end the process that has this address") :
					e->code;
}

static int join_peer(struct rinets *all, struct rinet *s, struct err *e)
{
	if (s->entry->type != SOCK_STREAM) {
		rinet_fill_datagrams(all, s);
		return rinet_join(s, e);
	}
	if (s->ended)
		return rinet_end(s, e);
	return rinet_has_peer(s) && !s->r->opt->tcp_close ? rinet_connect(s, e) : 0;
}

/* For one without a peer it is an error that has its effect all the same. */
static void shut(const struct rinet *s)
{
	if (rinet_has_peer(s) && s->r->opt->tcp_close)
		shutdown(s->fd, SHUT_RDWR);
	else if (s->entry->has_shutdown && s->entry->shutdown && !s->ended)
		shutdown(s->fd, s->entry->shutdown - 1);
}

static int finish(struct rinets *all, struct rinet *s, struct err *e)
{
	int flags = s->entry->flags & (O_APPEND | O_NONBLOCK);

	(void)all;
	shut(s);
	if (sk_opts_set(s->fd, s->entry->opts, e) < 0 || set_options(s, true, e) < 0)
		return e->code;
	if (fcntl(s->fd, F_SETFL, flags) < 0)
		return err_sys(e, "set its flags, %#x", flags);
	return 0;
}

static int for_all(struct rinets *all, int (*part)(struct rinets *, struct rinet *, struct err *),
		   struct err *e)
{
	for (size_t i = 0; i < all->count; i++)
		if (part(all, &all->at[i], e) < 0)
			return rinet_blame(&all->at[i], e);
	return 0;
}

/* What the dump has left is another one, which we do not rely upon: this may be another machine. */
int rinets_block(struct restore *r, struct err *e)
{
	const InventoryEntry *inv = r->inventory;
	struct rinets *all = r->files->inets;

	bool skip = r->opt->network_lock == NETWORK_LOCK_SKIP ||
		    (inv->has_network_lock_method && inv->network_lock_method == LOCKED_BY_NOBODY);

	if (!all || all->lock || !all->pair_count || (skip && !all->some_ended))
		return 0;
	return netlock_hold(all->pairs, all->pair_count, &all->lock, e);
}

static int inetsk_prepare(struct restore *r, struct err *e)
{
	struct rinets *all = r->files->inets;

	if (r->opt->dry_run)
		return for_all(all, begin, e);
	if (rinets_block(r, e) < 0 || for_all(all, begin, e) < 0 || for_all(all, hear, e) < 0 ||
	    for_all(all, join_peer, e) < 0)
		return e->code;
	return for_all(all, finish, e);
}

static int inetsk_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	struct rinet *s = rinets_find(r->files->inets, f->id);

	(void)e;
	*ret_fd = s->fd;
	s->given = true;
	return 0;
}

const struct fd_restore_kind inetsk_fd_restore_kind = {
	.name = "fd/inetsk",
	.type = FD_TYPES__INETSK,
	.load = rinets_load,
	.prepare = inetsk_prepare,
	.make = inetsk_make,
	.done = network_go,
	.close = rinets_close,
};
