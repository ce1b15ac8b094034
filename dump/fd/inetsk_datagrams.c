/*
 * Datagrams that nobody has read yet, with their senders: looked at one behind the other by SO_PEEK_OFF, which is the socket's, so the guardian knows
 * what it was. Empty ones are marked by the kernel when they are seen, and cannot be seen again (dump/fd/unixsk_queue.c).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "dump/guard.h"
#include "images/image.h"

enum { CONTROL_SIZE = 1024, DATAGRAM_MAX = 1 << 16 };

struct looked {
	union {
		struct cmsghdr align;
		char room[CONTROL_SIZE];
	} control;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} from;
	struct msghdr m;
	size_t piece; /* several of this size as one (UDP_GRO); 0: one */
	size_t size;
	uint8_t to[16];
};

static void set_number(protobuf_c_boolean *has, uint32_t *value, const struct cmsghdr *c)
{
	size_t size = c->cmsg_len - CMSG_LEN(0);
	int number = 0;

	memcpy(&number, CMSG_DATA(c), size < sizeof(number) ? size : sizeof(number));
	*has = 1;
	*value = number & 0xff;
}

static void set_to(struct looked *l, InetDatagramEntry *d, const void *bytes, size_t size)
{
	memcpy(l->to, bytes, size);
	d->has_to = 1;
	d->to = (ProtobufCBinaryData){ size, l->to };
}

static void read_four(struct looked *l, InetDatagramEntry *d, const struct cmsghdr *c)
{
	struct in_pktinfo info;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		set_to(l, d, &info.ipi_addr, sizeof(info.ipi_addr));
		break;
	case IP_TTL:
		set_number(&d->has_ttl, &d->ttl, c);
		break;
	case IP_TOS:
		set_number(&d->has_tos, &d->tos, c);
		break;
	}
}

static void read_six(struct looked *l, InetDatagramEntry *d, const struct cmsghdr *c)
{
	struct in6_pktinfo info;

	switch (c->cmsg_type) {
	case IPV6_PKTINFO:
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		if (IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
			set_to(l, d, info.ipi6_addr.s6_addr + 12, 4);
		else
			set_to(l, d, &info.ipi6_addr, sizeof(info.ipi6_addr));
		break;
	case IPV6_HOPLIMIT:
		set_number(&d->has_ttl, &d->ttl, c);
		break;
	case IPV6_TCLASS:
		set_number(&d->has_tos, &d->tos, c);
		break;
	}
}

static void read_control(struct looked *l, InetDatagramEntry *d)
{
	int piece;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&l->m); c; c = CMSG_NXTHDR(&l->m, c)) {
		if (c->cmsg_level == IPPROTO_IP)
			read_four(l, d, c);
		else if (c->cmsg_level == IPPROTO_IPV6)
			read_six(l, d, c);
		else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&piece, CMSG_DATA(c), sizeof(piece));
			l->piece = piece > 0 ? piece : 0;
		}
	}
}

static void read_from(struct looked *l, InetDatagramEntry *d)
{
	bool six = l->from.any.sa_family == AF_INET6;
	bool mapped = six && IN6_IS_ADDR_V4MAPPED(&l->from.in6.sin6_addr);

	d->from.len = six && !mapped ? 16 : 4;
	d->from.data = !six   ? (uint8_t *)&l->from.in.sin_addr :
		       mapped ? l->from.in6.sin6_addr.s6_addr + 12 :
				l->from.in6.sin6_addr.s6_addr;
	d->from_port = ntohs(six ? l->from.in6.sin6_port : l->from.in.sin_port);
}

static int write_pieces(const struct looked *l, InetDatagramEntry *d, struct image *img,
			struct err *e)
{
	const char *data = l->m.msg_iov->iov_base;
	size_t at = 0;

	do {
		size_t left = l->size - at;

		d->length = l->piece && l->piece < left ? l->piece : left;
		if (image_write(img, d, e) < 0 ||
		    (d->length && image_write_extra(img, data + at, d->length, e) < 0))
			return e->code;
		at += d->length;
	} while (at < l->size);
	return 0;
}

/* 1 when there was one, 0 when there are no more. */
static int read_one(struct inetsk *s, int fd, char *buf, struct image *img, struct err *e)
{
	struct looked l = { 0 };
	struct iovec io = { buf, DATAGRAM_MAX };
	InetDatagramEntry d = INET_DATAGRAM_ENTRY__INIT;
	ssize_t n;

	l.m = (struct msghdr){ .msg_name = &l.from,
			       .msg_namelen = sizeof(l.from),
			       .msg_iov = &io,
			       .msg_iovlen = 1,
			       .msg_control = &l.control,
			       .msg_controllen = sizeof(l.control) };
	n = recvmsg(fd, &l.m, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? 0 : err_sys(e, "look at what waits in it");
	l.size = n;
	d.id = s->file->id;
	read_from(&l, &d);
	read_control(&l, &d);
	if (!img->file && image_create(img, s->file->dump->images, IMG_INET_DATAGRAMS, 0, e) < 0)
		return e->code;
	return write_pieces(&l, &d, img, e) < 0 ? e->code : 1;
}

int inetsk_save_datagrams(struct inetsk *s, int fd, struct image *img, struct err *e)
{
	const struct file *f = s->file;
	struct guard_peek was = { f->task->pid, f->num, f->task->stat.start_time, f->st.st_ino,
				  -1 };
	socklen_t size = sizeof(was.offset);
	own_mem char *buf = malloc(DATAGRAM_MAX);
	int begin = 0, res;

	if (!buf)
		return err_sys(e, "memory for a datagram");
	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, &size) < 0)
		return err_sys(e, "ask where it is looked at");
	guard_peek_begin(f->dump->guard, &was);
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &begin, sizeof(begin)) < 0)
		res = err_sys(e, "look at what waits in it");
	else
		while ((res = read_one(s, fd, buf, img, e)) > 0)
			;
	setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, sizeof(was.offset));
	guard_peek_end(f->dump->guard);
	return res;
}
