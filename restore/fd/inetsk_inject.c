/* A packet of TCP as if it came from the other side, and the state that it leads to. */
#include <netinet/in.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/packet.h"
#include "restore/fd/inetsk.h"

enum { PATIENCE_MS = 2000 };

bool rinet_is_mapped(const uint32_t *words)
{
	return !words[0] && !words[1] && words[2] == htonl(0xffff);
}

struct netlock_pair rinet_pair(const struct rinet *s)
{
	const InetSkEntry *sk = s->entry;
	struct netlock_pair p = { .here_port = sk->src_port, .there_port = sk->dst_port };
	size_t from = sk->family == AF_INET6 && rinet_is_mapped(sk->dst_addr) ? 3 : 0;

	p.six = sk->family == AF_INET6 && !from;
	memcpy(p.here, sk->src_addr + from, p.six ? 16 : 4);
	memcpy(p.there, sk->dst_addr + from, p.six ? 16 : 4);
	return p;
}

static uint64_t bytes_received(const struct rinet *s)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	return info.tcpi_bytes_received;
}

int rinet_inject(const struct rinet *s, const struct injected *i, struct err *e)
{
	const struct packet_tcp packet = {
		.seq = i->seq,
		.ack = i->ack,
		.window = i->window,
		.urgent = i->urgent,
		.end = i->end,
		.reset = i->reset,
		.data = i->data,
		.size = i->size,
	};
	struct netlock_pair ends = rinet_pair(s);
	uint64_t before = bytes_received(s);

	if (packet_tcp(&ends, &packet, e) < 0)
		return e->code;
	for (int waited = 0; waited < PATIENCE_MS; waited++) {
		struct tcp_info info = { 0 };
		socklen_t size = sizeof(info);

		if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
			return err_sys(e, "ask for its state");
		if (info.tcpi_state == i->state && info.tcpi_bytes_received - before >= i->size)
			return 0;
		usleep(1000);
	}
	err_say(e, "its connection does not come into the state %d", i->state);
	return err_hint(e, "a firewall may keep packets from the loopback interface");
}
