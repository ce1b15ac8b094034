/*
 * A packet of TCP as if it came from the other side: what a connection has got from there (an end, an acknowledgement of ours) can
 * be brought into it in no other way. It goes through the loopback interface, and by its mark through the network lock.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <string.h>

#include "restore/fd/inetsk.h"

enum { PATIENCE_MS = 2000, HOPS = 64 };

struct addresses {
	bool six;
	uint8_t from[16], to[16];
	size_t size;
};

static struct addresses addresses_of(const struct rinet *s)
{
	const InetSkEntry *sk = s->entry;
	bool mapped = sk->family == AF_INET6 && !sk->dst_addr[0] && !sk->dst_addr[1] &&
		      sk->dst_addr[2] == htonl(0xffff);
	struct addresses a = { .six = sk->family == AF_INET6 && !mapped };

	a.size = a.six ? 16 : 4;
	memcpy(a.from, sk->dst_addr + (mapped ? 3 : 0), a.size);
	memcpy(a.to, sk->src_addr + (mapped ? 3 : 0), a.size);
	return a;
}

static uint32_t sum(uint32_t before, const void *data, size_t size)
{
	const uint8_t *at = data;

	for (size_t i = 0; i + 1 < size; i += 2)
		before += at[i] << 8 | at[i + 1];
	return before;
}

static uint16_t checksum(const struct addresses *a, const struct tcphdr *tcp)
{
	uint32_t all = sum(sum(IPPROTO_TCP + sizeof(*tcp), a->from, a->size), a->to, a->size);

	all = sum(all, tcp, sizeof(*tcp));
	while (all >> 16)
		all = (all & 0xffff) + (all >> 16);
	return htons(~all);
}

static void fill_tcp(struct tcphdr *tcp, const struct rinet *s, const struct injected *i)
{
	tcp->source = htons(s->entry->dst_port);
	tcp->dest = htons(s->entry->src_port);
	tcp->seq = htonl(i->seq);
	tcp->ack_seq = htonl(i->ack);
	tcp->doff = sizeof(*tcp) / 4;
	tcp->ack = 1;
	tcp->fin = i->end;
	tcp->rst = i->reset;
	tcp->window = htons(i->window);
}

static size_t fill_packet(char *packet, const struct addresses *a, const struct tcphdr *tcp)
{
	struct iphdr four = { .version = 4, .ihl = 5, .ttl = HOPS, .protocol = IPPROTO_TCP };
	struct ip6_hdr six = { .ip6_plen = htons(sizeof(*tcp)),
			       .ip6_nxt = IPPROTO_TCP,
			       .ip6_hlim = HOPS };
	size_t size = a->six ? sizeof(six) : sizeof(four);

	four.tot_len = htons(sizeof(four) + sizeof(*tcp));
	memcpy(&four.saddr, a->from, 4);
	memcpy(&four.daddr, a->to, 4);
	six.ip6_vfc = 6 << 4;
	memcpy(&six.ip6_src, a->from, 16);
	memcpy(&six.ip6_dst, a->to, 16);
	memcpy(packet, a->six ? (void *)&six : (void *)&four, size);
	memcpy(packet + size, tcp, sizeof(*tcp));
	return size + sizeof(*tcp);
}

static int send_packet(const struct rinet *s, const struct injected *i, struct err *e)
{
	struct addresses a = addresses_of(s);
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct tcphdr tcp = { 0 };
	char packet[128];
	size_t size;
	int mark = NETLOCK_MARK;
	own_fd fd = socket(a.six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return err_sys(e, "make a raw socket");
	fill_tcp(&tcp, s, i);
	tcp.check = checksum(&a, &tcp);
	size = fill_packet(packet, &a, &tcp);
	memcpy(&four.sin_addr, a.to, 4);
	memcpy(&six.sin6_addr, a.to, 16);
	if (sendto(fd, packet, size, 0, a.six ? (void *)&six : (void *)&four,
		   a.six ? sizeof(six) : sizeof(four)) < 0)
		return err_sys(e, "send a packet to ourselves");
	return 0;
}

int rinet_inject(const struct rinet *s, const struct injected *i, struct err *e)
{
	if (send_packet(s, i, e) < 0)
		return e->code;
	for (int waited = 0; waited < PATIENCE_MS; waited++) {
		struct tcp_info info = { 0 };
		socklen_t size = sizeof(info);

		if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
			return err_sys(e, "ask for its state");
		if (info.tcpi_state == i->state)
			return 0;
		usleep(1000);
	}
	err_say(e, "its connection does not come into the state %d", i->state);
	return err_hint(e, "a firewall may keep packets from the loopback interface");
}
