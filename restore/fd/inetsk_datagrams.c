/*
 * Datagrams that nobody has read yet: sent once more, in the name of who has sent them, through the loopback interface (lib/packet.h). Of sockets that
 * share a port only the one that is connected to the sender gets them, so it is, for a moment.
 *
 * Lost are, as they may be on their way, those to groups and to all, those that came through one interface only, and what does not arrive.
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "images/image.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/packet.h"
#include "restore/fd/inetsk.h"

enum { PATIENCE = 200, PORT_MAX = 65535, DATAGRAM_MAX = 65527, FARTHEST = 255, ANY_PORT = 9 };

struct rinet_datagram {
	uint32_t id;
	bool six;
	uint8_t from[16], to[16];
	bool has_to;
	uint16_t from_port;
	uint8_t ttl, tos;
	size_t size;
	char *data;
};

static int add(struct rinets *all, struct image *img, const InetDatagramEntry *d, struct err *e)
{
	size_t words = d->from.len;
	struct rinet_datagram *at;

	if ((words != 4 && words != 16) || (d->has_to && d->to.len != words) ||
	    d->from_port > PORT_MAX || d->length > DATAGRAM_MAX)
		return err_say(e, "'%s' has a datagram that could not be", img->name);
	if (io_grow(&all->datagrams, all->datagram_count, sizeof(*at), e) < 0)
		return e->code;
	at = &all->datagrams[all->datagram_count];
	*at = (struct rinet_datagram){ .id = d->id,
				       .six = words == 16,
				       .has_to = d->has_to,
				       .from_port = d->from_port,
				       .ttl = d->has_ttl && d->ttl ? d->ttl : FARTHEST,
				       .tos = d->tos,
				       .size = d->length };
	memcpy(at->from, d->from.data, words);
	if (d->has_to)
		memcpy(at->to, d->to.data, words);
	if (image_take_extra(img, d->length, &at->data, e) < 0)
		return e->code;
	all->datagram_count++;
	return 0;
}

int rinets_load_datagrams(struct restore *r, struct rinets *all, struct err *e)
{
	own_image img = {};
	int got = image_open(&img, r->images, IMG_INET_DATAGRAMS, 0, e);

	if (got == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	while (got >= 0) {
		own_message InetDatagramEntry *d = NULL;

		got = image_read(&img, &inet_datagram_entry__descriptor, &d, e);
		if (got <= 0)
			break;
		got = add(all, &img, d, e);
	}
	return got;
}

void rinets_forget_datagrams(struct rinets *all)
{
	for (size_t i = 0; i < all->datagram_count; i++)
		free(all->datagrams[i].data);
	free(all->datagrams);
}

/* --- one ---------------------------------------------------------------------------------------------- */

static bool is_any(const uint8_t *address, bool six)
{
	static const uint8_t none[16];

	return memcmp(address, none, six ? 16 : 4) == 0;
}

static socklen_t fill_address(union inet_address *a, const uint8_t *bytes, bool six, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->any.sa_family = six ? AF_INET6 : AF_INET;
	if (six) {
		memcpy(&a->in6.sin6_addr, bytes, 16);
		a->in6.sin6_port = htons(port);
		return sizeof(a->in6);
	}
	memcpy(&a->in.sin_addr, bytes, 4);
	a->in.sin_port = htons(port);
	return sizeof(a->in);
}

/* An address of another machine would have the packet leave this one; that of a group is nobody's. */
static bool is_ours(const uint8_t *address, bool six)
{
	union inet_address a;
	socklen_t size = fill_address(&a, address, six, 0);
	own_fd fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (six ? address[0] == 0xff || (address[0] == 0xfe && (address[1] & 0xc0) == 0x80) :
		  address[0] >= 224)
		return false;
	if (fd < 0 || bind(fd, &a.any, size) < 0)
		return false;
	fill_address(&a, address, six,
		     ANY_PORT); /* the kernel lets nobody connect to all of a network */
	return connect(fd, &a.any, size) == 0;
}

/* As its packets have it. */
static void own_address(const struct rinet *s, const struct rinet_datagram *d, uint8_t *to)
{
	static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
	const uint32_t *words = s->entry->src_addr;
	uint32_t four = htonl(INADDR_LOOPBACK);
	size_t skip = s->entry->family == AF_INET6 && !d->six ? 3 : 0;

	memcpy(to, words + skip, d->six ? 16 : 4);
	if (is_any(to, d->six) && d->has_to)
		memcpy(to, d->to, d->six ? 16 : 4);
	if (is_any(to, d->six))
		memcpy(to, d->six ? (const void *)&loopback : &four, d->six ? 16 : 4);
}

static uint32_t memory_in_use(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &size);
	return info[SK_MEMINFO_RMEM_ALLOC];
}

static bool deliver(const struct rinet *s, const struct rinet_datagram *d,
		    const struct netlock_pair *ends)
{
	const struct packet_udp p = { .protocol = s->entry->proto,
				      .ttl = d->ttl,
				      .tos = d->tos,
				      .data = d->data,
				      .size = d->size };
	uint32_t before = memory_in_use(s->fd);
	struct err e = { 0 };

	if (packet_udp(ends, &p, &e) < 0) {
		log_debug("file %u: %s", s->entry->id, e.text);
		return false;
	}
	for (int i = 0; i < PATIENCE; i++) {
		if (memory_in_use(s->fd) != before)
			return true;
		usleep(i < 20 ? 20 : 1000);
	}
	return false;
}

static void disconnect(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (connect(fd, &none, sizeof(none)) < 0)
		log_debug("a socket stays connected: %s", strerror(errno));
}

/* The address of ours that it has while it is connected. */
static bool connect_to_sender(const struct rinet *s, const struct rinet_datagram *d, uint8_t *to)
{
	union inet_address a;
	socklen_t size;
	uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff };
	bool six = s->entry->family == AF_INET6;

	memcpy(mapped + 12, d->from, 4);
	size = fill_address(&a, six && !d->six ? mapped : d->from, six, d->from_port);
	if (connect(s->fd, &a.any, size) < 0)
		return false;
	size = sizeof(a);
	if (getsockname(s->fd, &a.any, &size) < 0)
		return false;
	if (six)
		memcpy(to, a.in6.sin6_addr.s6_addr + (d->six ? 0 : 12), d->six ? 16 : 4);
	else
		memcpy(to, &a.in.sin_addr, 4);
	return true;
}

static bool put(const struct rinets *all, const struct rinet *s, const struct rinet_datagram *d)
{
	const SkOptsEntry *o = s->entry->opts;
	bool shares = all->on_port[s->entry->src_port] > 1 || o->so_reuseport, connected, res;
	struct netlock_pair ends = { .six = d->six,
				     .here_port = s->entry->src_port,
				     .there_port = d->from_port };

	if (o->so_bound_dev || (d->six && d->from[0] == 0xfe))
		return false;
	memcpy(ends.there, d->from, sizeof(ends.there));
	own_address(s, d, ends.here);
	if (!is_ours(ends.here, d->six))
		return false;
	connected = shares && d->from_port && connect_to_sender(s, d, ends.here);
	res = (connected || !shares) && deliver(s, d, &ends);
	if (shares)
		disconnect(s->fd);
	return res;
}

void rinet_fill_datagrams(const struct rinets *all, const struct rinet *s)
{
	size_t lost = 0, count = 0;

	for (size_t i = 0; i < all->datagram_count; i++) {
		if (all->datagrams[i].id != s->entry->id)
			continue;
		if (!count++)
			rinet_make_room(s->fd);
		lost += !put(all, s, &all->datagrams[i]);
	}
	if (lost)
		log_info("file %u: of %zu datagrams that nobody has read %zu are lost",
			 s->entry->id, count, lost);
}
