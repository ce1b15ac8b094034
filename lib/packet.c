/* Packets to ourselves; see packet.h. */
#include "lib/packet.h"

#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/own.h"

enum { HOPS = 64, HEADS = sizeof(struct ip6_hdr) + 60 };

static size_t address_size(const struct netlock_pair *ends)
{
	return ends->six ? 16 : 4;
}

static uint32_t sum(uint32_t before, const void *data, size_t size)
{
	const uint8_t *at = data;

	for (size_t i = 0; i + 1 < size; i += 2)
		before += at[i] << 8 | at[i + 1];
	return size & 1 ? before + (at[size - 1] << 8) : before;
}

static uint16_t checksum(const struct netlock_pair *ends, int protocol, const void *data,
			 size_t size)
{
	uint32_t all = sum(protocol + size, ends->there, address_size(ends));

	all = sum(sum(all, ends->here, address_size(ends)), data, size);
	while (all >> 16)
		all = (all & 0xffff) + (all >> 16);
	return htons(~all);
}

/* What is in front of a packet of IP. */
struct wrapping {
	uint8_t protocol, ttl, tos;
};

static size_t wrap(char *to, const struct netlock_pair *ends, const struct wrapping *w, size_t size)
{
	struct iphdr four = {
		.version = 4, .ihl = 5, .ttl = w->ttl, .tos = w->tos, .protocol = w->protocol
	};
	struct ip6_hdr six = { .ip6_plen = htons(size),
			       .ip6_nxt = w->protocol,
			       .ip6_hlim = w->ttl };

	four.tot_len = htons(sizeof(four) + size);
	memcpy(&four.saddr, ends->there, 4);
	memcpy(&four.daddr, ends->here, 4);
	six.ip6_flow = htonl(6U << 28 | (uint32_t)w->tos << 20);
	memcpy(&six.ip6_src, ends->there, 16);
	memcpy(&six.ip6_dst, ends->here, 16);
	if (ends->six)
		memcpy(to, &six, sizeof(six));
	else
		memcpy(to, &four, sizeof(four));
	return ends->six ? sizeof(six) : sizeof(four);
}

static int send_to_us(const struct netlock_pair *ends, const void *packet, size_t size,
		      struct err *e)
{
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	int mark = NETLOCK_MARK;
	int room = 1 << 20;
	own_fd fd = socket(ends->six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return err_sys(e, "make a raw socket");
	if (size > 1 << 15)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	memcpy(&four.sin_addr, ends->here, 4);
	memcpy(&six.sin6_addr, ends->here, 16);
	if (sendto(fd, packet, size, 0, ends->six ? (void *)&six : (void *)&four,
		   ends->six ? sizeof(six) : sizeof(four)) < 0)
		return err_sys(e, "send a packet to ourselves");
	return 0;
}

static void fill_tcp(struct tcphdr *tcp, const struct netlock_pair *ends,
		     const struct packet_tcp *p)
{
	tcp->source = htons(ends->there_port);
	tcp->dest = htons(ends->here_port);
	tcp->seq = htonl(p->seq);
	tcp->ack_seq = htonl(p->ack);
	tcp->doff = (sizeof(*tcp) + p->options_size) / 4;
	tcp->syn = p->begin;
	tcp->ack = !p->begin;
	tcp->fin = p->end;
	tcp->rst = p->reset;
	tcp->psh = p->size > 0;
	tcp->urg = p->urgent > 0;
	tcp->urg_ptr = htons(p->urgent);
	tcp->window = htons(p->window);
}

int packet_tcp(const struct netlock_pair *ends, const struct packet_tcp *p, struct err *e)
{
	const struct wrapping w = { IPPROTO_TCP, HOPS, 0 };
	struct tcphdr tcp = { 0 };
	size_t size = sizeof(tcp) + p->options_size + p->size, at;
	own_mem char *packet = malloc(HEADS + size);

	if (!packet)
		return err_sys(e, "memory for a packet");
	fill_tcp(&tcp, ends, p);
	at = wrap(packet, ends, &w, size);
	memcpy(packet + at, &tcp, sizeof(tcp));
	if (p->options_size)
		memcpy(packet + at + sizeof(tcp), p->options, p->options_size);
	if (p->size)
		memcpy(packet + at + sizeof(tcp) + p->options_size, p->data, p->size);
	tcp.check = checksum(ends, IPPROTO_TCP, packet + at, size);
	memcpy(packet + at, &tcp, sizeof(tcp));
	return send_to_us(ends, packet, at + size, e);
}

int packet_udp(const struct netlock_pair *ends, const struct packet_udp *p, struct err *e)
{
	const struct wrapping w = { p->protocol, p->ttl ? p->ttl : HOPS, p->tos };
	struct udphdr udp = { .source = htons(ends->there_port), .dest = htons(ends->here_port) };
	size_t size = sizeof(udp) + p->size, at;
	own_mem char *packet = malloc(HEADS + size);

	if (!packet)
		return err_sys(e, "memory for a packet");
	udp.len = htons(size);
	at = wrap(packet, ends, &w, size);
	memcpy(packet + at, &udp, sizeof(udp));
	if (p->size)
		memcpy(packet + at + sizeof(udp), p->data, p->size);
	udp.check = checksum(ends, p->protocol, packet + at, size);
	if (!udp.check)
		udp.check = 0xffff;
	memcpy(packet + at, &udp, sizeof(udp));
	return send_to_us(ends, packet, at + size, e);
}
