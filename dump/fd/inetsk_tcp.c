/*
 * What is in TCP connections: both queues, sequence numbers, windows, what was agreed upon. All of them are blocked first, so that
 * nothing changes between one question and the next, and nothing is acknowledged that the images do not have.
 *
 * TCP_REPAIR lets us ask. A connection is in that state only while it is read; those that are going to be closed by the end of
 * their processes come into it once more right before (guard_silence), so that the other side hears nothing of it.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "dump/guard.h"
#include "dump/network.h"
#include "images/image.h"
#include "lib/log.h"
#include "lib/netlink.h"
#include "lib/repair.h"

/* The same numbers as in netinet/tcp.h, which does not go with linux/tcp.h. */
enum {
	STATE_SYN_SENT = 2,
	STATE_SYN_RECV = 3,
	STATE_CLOSE = 7,
	STATE_LISTEN = 10,
};

extern const struct fd_kind inetsk_fd_kind;

/* A program that looks at its data from an offset on has it looked at from there by all. */
static int read_unshifted(struct inetsk_reading *r, const struct guard_socket *g, struct err *e)
{
	struct guard *guard = r->s->file->dump->guard;
	struct guard_peek was = { g->pid, g->num, g->start_time, g->ino, -1 };
	socklen_t size = sizeof(was.offset);
	int none = -1, res;

	if (getsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, &size) < 0 || was.offset < 0)
		return inetsk_read_connection(r, e);
	guard_peek_begin(guard, &was);
	setsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
	res = inetsk_read_connection(r, e);
	setsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, sizeof(was.offset));
	guard_peek_end(guard);
	return res;
}

static int read_connection(struct inetsk_reading *r, struct err *e)
{
	const struct file *f = r->s->file;
	const struct options *opt = f->dump->opt;
	struct guard_socket g = { .pid = f->task->pid,
				  .num = f->num,
				  .start_time = f->task->stat.start_time,
				  .ino = f->st.st_ino,
				  .reuse = r->s->entry->opts->reuseaddr,
				  .closes = !opt->leave_running && !opt->leave_stopped };
	int res;

	if (guard_note_socket(f->dump->guard, &g, e) < 0 || repair_begin(r->fd, e) < 0)
		return e->code;
	res = read_unshifted(r, &g, e);
	repair_end(r->fd, g.reuse);
	return res;
}

static int write_connection(const struct inetsk_reading *r, struct err *e)
{
	const TcpStreamEntry *t = &r->stream;
	own_image img = {};

	if (image_create(&img, r->s->file->dump->images, IMG_TCP_STREAM, r->s->entry->ino, e) < 0 ||
	    image_write(&img, t, e) < 0)
		return e->code;
	if (t->inq_len && image_write_extra(&img, r->received, t->inq_len, e) < 0)
		return e->code;
	if (t->outq_len &&
	    image_write_extra(&img, r->sent + r->sent_size - t->outq_len, t->outq_len, e) < 0)
		return e->code;
	return image_close(&img, e);
}

static int save_connection(struct inetsk *s, int fd, struct err *e)
{
	struct inetsk_reading r = {
		.s = s, .fd = fd, .state = s->entry->state, .stream = TCP_STREAM_ENTRY__INIT
	};
	int res;

	if (s->entry->state == STATE_SYN_RECV) {
		err_code(e, ENOTSUP,
			 "its connection is just being made by both sides at once, "
			 "which is not supported");
		return err_hint(e, "try again");
	}
	res = read_connection(&r, e);
	if (res == 0)
		res = write_connection(&r, e);
	free(r.received);
	free(r.sent);
	return res;
}

/* Of a connection that has ended only what is unread is left, which needs no repair to be looked at. */
static int save_ended(struct inetsk *s, int fd, struct err *e)
{
	struct inetsk_reading r = {
		.s = s, .fd = fd, .state = s->entry->state, .stream = TCP_STREAM_ENTRY__INIT
	};
	own_mem char *received = NULL;
	ssize_t n;

	if (inetsk_count(fd, SIOCINQ, &r.stream.inq_len, e) < 0)
		return e->code;
	if (!r.stream.inq_len)
		return 0;
	r.received = received = malloc(r.stream.inq_len);
	if (!received)
		return err_sys(e, "memory for %u unread bytes", r.stream.inq_len);
	if (inetsk_look(fd, received, r.stream.inq_len, &n, e) < 0)
		return e->code;
	if (n != (ssize_t)r.stream.inq_len)
		return err_say(e, "of %u unread bytes only %zd can be had", r.stream.inq_len, n);
	r.stream.inq_seq = r.stream.inq_len;
	r.stream.mss_clamp = TCP_MSS_DEFAULT;
	return write_connection(&r, e);
}

/* --- all of them ----------------------------------------------------------------------------------- */

static bool is_mapped(const uint32_t *words)
{
	return !words[0] && !words[1] && words[2] == htonl(0xffff);
}

/* What the packets have, which are of IPv4 for some sockets of IPv6. */
static struct netlock_pair pair_of(const struct inetsk *s)
{
	const InetSkEntry *sk = s->entry;
	struct netlock_pair p = { .here_port = sk->src_port, .there_port = sk->dst_port };
	size_t from = sk->family == AF_INET6 && is_mapped(sk->dst_addr) ? 3 : 0;

	p.six = sk->family == AF_INET6 && !from;
	memcpy(p.here, sk->src_addr + from, p.six ? 16 : 4);
	memcpy(p.there, sk->dst_addr + from, p.six ? 16 : 4);
	return p;
}

/* begun: those too where nobody has answered yet. */
static size_t list(struct dump *d, bool begun, struct netlock_pair **ret)
{
	size_t n = 0;

	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));)
		n += inetsk_of(f)->waiting_ends ? inetsk_of(f)->waiting : 1;
	*ret = pool_array(&d->pool, struct netlock_pair, n + 1);
	n = 0;
	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));) {
		const struct inetsk *s = inetsk_of(f);

		if (inetsk_is_connected(s) && (begun || s->entry->state != STATE_SYN_SENT))
			(*ret)[n++] = pair_of(s);
		for (uint32_t i = 0; s->waiting_ends && i < s->waiting; i++)
			(*ret)[n++] = s->waiting_ends[i];
	}
	return n;
}

/* From here on no queue of connections that wait gets longer. Each port once. */
static int block_ports(struct dump *d, uint16_t **ret, size_t *ret_count, struct err *e)
{
	struct netlock_pair *ports = NULL;
	uint16_t *at = NULL;
	size_t n = 0;

	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));)
		n += inetsk_of(f)->entry->state == STATE_LISTEN;
	ports = pool_array(&d->pool, struct netlock_pair, n + 1);
	at = pool_array(&d->pool, uint16_t, n + 1);
	n = 0;
	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));) {
		uint16_t port = inetsk_of(f)->entry->src_port;
		size_t i = 0;

		if (inetsk_of(f)->entry->state != STATE_LISTEN)
			continue;
		while (i < n && at[i] != port)
			i++;
		if (i < n)
			continue;
		ports[n].here_port = at[n] = port;
		n++;
	}
	*ret = at;
	*ret_count = n;
	return network_block(d, ports, n, e);
}

/* Those that are there by then, half-made ones too. */
static int block_waiting(struct dump *d, struct err *e)
{
	own_mem struct netlock_pair *pairs = NULL;
	struct err said = { 0 };
	uint16_t *ports;
	size_t count, n = 0;
	int blocked;

	if (!d->opt->tcp_established || d->opt->skip_in_flight)
		return 0;
	blocked = block_ports(d, &ports, &count, &said);
	for (size_t i = 0; i < count; i++)
		if (netlink_tcp_waiting(ports[i], &pairs, &n) < 0)
			return err_sys(e, "ask what waits at the port %u", ports[i]);
	if (blocked == 0)
		return network_block(d, pairs, n, e);
	/* Where nobody waits nothing is lost but who comes right now. */
	log_debug("%s", said.text);
	if (n)
		*e = said;
	return e->code;
}

/* Images that several sockets have something in. */
struct shared_images {
	struct image waiting, datagrams;
};

static int save(struct inetsk *s, struct shared_images *images, struct err *e)
{
	own_fd fd = -1;
	int got;

	if (files_copy(s->file, &got, e) < 0)
		return e->code;
	fd = got;
	if (inetsk_is_udp(s))
		return inetsk_save_datagrams(s, fd, &images->datagrams, e);
	if (!inetsk_is_tcp(s)) {
		inetsk_lose_unread(s, fd);
		return 0;
	}
	if (inetsk_read_state(s, fd, e) < 0)
		return e->code;
	if (s->entry->state == STATE_CLOSE) /* of MPTCP it never was a connection */
		return s->entry->proto == IPPROTO_MPTCP ? 0 : save_ended(s, fd, e);
	if (s->entry->state == STATE_LISTEN)
		return s->waiting ? inetsk_save_waiting(s, fd, &images->waiting, e) : 0;
	if (!inetsk_is_connected(s) || s->file->dump->opt->tcp_close)
		return 0;
	return save_connection(s, fd, e);
}

static int save_all(struct dump *d, struct err *e)
{
	struct shared_images images = { 0 };
	int res = 0;

	for (struct file *f = NULL; res == 0 && (f = files_next(d, &inetsk_fd_kind, f));)
		if (save(inetsk_of(f), &images, e) < 0)
			res = files_blame(f, e);
	if (res == 0 && images.waiting.file)
		res = image_close(&images.waiting, e);
	if (res == 0 && images.datagrams.file)
		res = image_close(&images.datagrams, e);
	image_drop(&images.waiting);
	image_drop(&images.datagrams);
	return res;
}

int inetsk_save_connections(struct dump *d, struct err *e)
{
	struct netlock_pair *pairs;
	size_t n = list(d, true, &pairs);

	if (!d->opt->tcp_close && network_block(d, pairs, n, e) < 0)
		return e->code;
	if (block_waiting(d, e) < 0 || save_all(d, e) < 0)
		return e->code;
	n = list(d, false, &pairs);
	if (!d->opt->tcp_close)
		network_carries(d, pairs, n);
	if (d->opt->leave_running || d->opt->leave_stopped)
		network_release(d);
	return 0;
}
