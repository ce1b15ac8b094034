/*
 * Connections that have ended and left unread bytes behind, or an error that is still to be reported. A socket gets these only by a
 * connection: one in repair, to a port of our own address where nobody is, behind the network lock. It ends by packets of the
 * kind that have ended the other one. Which error it was nobody knows; it becomes ECONNRESET.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/repair.h"
#include "restore/fd/inetsk.h"

enum { NOBODY = 9, SENT = 1000, RECEIVED = 2000000000 };

static void set_loopback(const InetSkEntry *sk)
{
	static const struct in6_addr six = IN6ADDR_LOOPBACK_INIT;
	uint32_t four = htonl(INADDR_LOOPBACK);

	memcpy(sk->src_addr, sk->family == AF_INET6 ? (void *)&six : (void *)&four,
	       sk->n_src_addr * sizeof(uint32_t));
}

static bool is_any(const InetSkEntry *sk)
{
	static const uint32_t none[4];

	return memcmp(sk->src_addr, none, sk->n_src_addr * sizeof(uint32_t)) == 0;
}

int rinet_end_at_nobody(struct rinet *s, struct err *e)
{
	InetSkEntry *sk = s->entry;
	size_t size = sk->n_src_addr * sizeof(uint32_t);

	if (!sk->n_dst_addr)
		sk->dst_addr = malloc(size);
	if (!sk->dst_addr)
		return err_sys(e, "memory for an address");
	if (is_any(sk))
		set_loopback(sk);
	memcpy(sk->dst_addr, sk->src_addr, size);
	sk->n_dst_addr = sk->n_src_addr;
	sk->dst_port = NOBODY;
	s->ended = true;
	return 0;
}

static int connect_to_nobody(const struct rinet *s, uint32_t received, struct err *e)
{
	union inet_address there;
	socklen_t size;

	if (rinet_bind(s, e) < 0 || repair_set_seq(s->fd, REPAIR_RECEIVED, RECEIVED, e) < 0 ||
	    repair_set_seq(s->fd, REPAIR_SENT, SENT, e) < 0 ||
	    rinet_address(s, true, &there, &size, e) < 0)
		return e->code;
	if (connect(s->fd, &there.any, size) < 0)
		return err_sys(e, "make the connection that has ended");
	return received ? rinet_fill_received(s, e) : 0;
}

/* Ours comes last and is acknowledged: so nothing is left of it. */
static int end_both(const struct rinet *s, uint32_t received, struct err *e)
{
	struct injected theirs = {
		.seq = RECEIVED + received, .ack = SENT, .end = true, .state = INETSK_CLOSE_WAIT
	};
	struct injected answer = { .seq = RECEIVED + received + 1,
				   .ack = SENT + 1,
				   .state = INETSK_CLOSE };

	if (rinet_inject(s, &theirs, e) < 0 || repair_choose(s->fd, REPAIR_SENT, e) < 0)
		return e->code;
	if (shutdown(s->fd, SHUT_WR) < 0)
		return err_sys(e, "shut it down");
	return rinet_inject(s, &answer, e);
}

int rinet_end(struct rinet *s, struct err *e)
{
	uint32_t received = s->stream ? s->stream->inq_len : 0;
	struct injected reset = {
		.seq = RECEIVED + received, .ack = SENT, .reset = true, .state = INETSK_CLOSE
	};
	int res;

	if (repair_begin(s->fd, e) < 0)
		return e->code;
	res = connect_to_nobody(s, received, e);
	if (res == 0)
		res = s->extra && s->extra->reset ? rinet_inject(s, &reset, e) :
						    end_both(s, received, e);
	repair_end(s->fd, 1);
	return res;
}
