/*
 * Packets to ourselves, as if somebody else had sent them: what a socket has got from there can be brought into it in no other way. They go
 * through the loopback interface, and by their mark through the network lock (lib/netlock.h).
 */
#ifndef STASIS_LIB_PACKET_H
#define STASIS_LIB_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/netlock.h"

/* Of TCP, from 'there' to 'here'. */
struct packet_tcp {
	uint32_t seq, ack;
	uint16_t window, urgent; /* urgent: 0, or how many bytes the urgent part has */
	bool begin, end, reset;	 /* SYN (which has no acknowledgement), FIN, RST */
	const void *options;	 /* a multiple of four bytes */
	size_t options_size;
	const void *data;
	size_t size;
};
must_check int packet_tcp(const struct netlock_pair *ends, const struct packet_tcp *p,
			  struct err *e);

/* Of UDP or UDP-Lite, likewise. */
struct packet_udp {
	uint8_t protocol, ttl, tos; /* ttl 0: the usual one */
	const void *data;
	size_t size;
};
must_check int packet_udp(const struct netlock_pair *ends, const struct packet_udp *p,
			  struct err *e);

#endif
