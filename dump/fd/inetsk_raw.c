/*
 * Raw sockets, and those of ICMP (ping). getpeername(2) tells no peer that has no port, /proc/net does. Packets that nobody has read are lost, as they are
 * to whoever reads too slowly: sent once more, all others that listen would get them as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "lib/io.h"
#include "lib/log.h"

enum { FILTER_WORDS = 8 };

/* "  1: 0100007F:0001 0100007F:0000 01 00000000:00000000 00:00000000 00000000  0  0 4711 ...": sl, here, there, state, ..., inode */
static bool read_line(const char *line, uint32_t ino, bool six, uint32_t there[4],
		      uint32_t *ret_state)
{
	uint32_t its = 0;
	int n = six ? sscanf(line,
			     "%*u: %*32[0-9A-F]:%*x %8x%8x%8x%8x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %u",
			     &there[0], &there[1], &there[2], &there[3], ret_state, &its) :
		      sscanf(line, "%*u: %*x:%*x %8x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %u",
			     &there[0], ret_state, &its);

	return n == (six ? 6 : 3) && its == ino;
}

int inetsk_read_raw_peer(struct inetsk *s, struct err *e)
{
	InetSkEntry *sk = s->entry;
	bool six = sk->family == AF_INET6;
	const char *path = sk->type == SOCK_RAW ?
				   (six ? "/proc/self/net/raw6" : "/proc/self/net/raw") :
				   (six ? "/proc/self/net/icmp6" : "/proc/self/net/icmp");
	own_mem char *text = NULL;
	size_t size;
	char *rest;

	if (inetsk_is_tcp(s) || inetsk_is_udp(s))
		return 0;
	if (io_slurp(AT_FDCWD, path, &text, &size, e) < 0)
		return e->code;
	/* One that has never been bound, and has no number yet, is not in the list. */
	sk->state = TCP_CLOSE;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		uint32_t there[4], state;

		if (!read_line(line, sk->ino, six, there, &state))
			continue;
		sk->state = state == TCP_ESTABLISHED ? TCP_ESTABLISHED : TCP_CLOSE;
		sk->n_dst_addr = six ? 4 : 1;
		sk->dst_addr = pool_copy(&s->file->dump->pool, there, sk->n_dst_addr * 4);
	}
	return 0;
}

static bool flag(int fd, int level, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, name, &value, &size) == 0 && value;
}

static void read_filter(struct inetsk *s, int fd, IpOptsRawEntry *raw)
{
	uint32_t words[FILTER_WORDS] = { 0 };
	bool six = s->entry->family == AF_INET6;
	socklen_t size = sizeof(words);

	if (s->entry->proto != (six ? (uint32_t)IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    getsockopt(fd, six ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_RAW,
		       six ? ICMPV6_FILTER : ICMP_FILTER, words, &size) < 0)
		return;
	raw->n_icmpv_filter = size / sizeof(words[0]);
	raw->icmpv_filter = pool_copy(&s->file->dump->pool, words, size);
}

void inetsk_read_raw_options(struct inetsk *s, int fd)
{
	bool six = s->entry->family == AF_INET6;
	IpOptsRawEntry *raw;

	if (s->entry->type != SOCK_RAW)
		return;
	raw = pool_new(&s->file->dump->pool, IpOptsRawEntry);
	ip_opts_raw_entry__init(raw);
	s->entry->ip_opts->raw = raw;
	raw->hdrincl = six ? flag(fd, IPPROTO_IPV6, IPV6_HDRINCL) :
			     flag(fd, IPPROTO_IP, IP_HDRINCL);
	raw->has_hdrincl = raw->hdrincl;
	raw->nodefrag = !six && flag(fd, IPPROTO_IP, IP_NODEFRAG);
	raw->has_nodefrag = raw->nodefrag;
	read_filter(s, fd, raw);
}

void inetsk_lose_unread(const struct inetsk *s, int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };

	if (poll(&look, 1, 0) == 1 && look.revents & POLLIN)
		log_info("pid %d fd %d: packets that nobody has read are lost, as to a slow reader",
			 s->file->task->pid, s->file->num);
}
