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
#include "lib/repair.h"

/* The same numbers as in netinet/tcp.h, which does not go with linux/tcp.h. */
enum {
	STATE_SYN_SENT = 2,
	STATE_SYN_RECV = 3,
	STATE_FIN_WAIT1 = 4,
	STATE_CLOSE = 7,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,
};

/* Parts of a segment that are acknowledged already may still be in the queue. */
enum { SLACK = 1 << 17 };

extern const struct fd_kind inetsk_fd_kind;

/* A connection while it is read. */
struct reading {
	struct inetsk *s;
	int fd;
	TcpStreamEntry stream;
	char *received, *sent; /* of sent, the last outq_len bytes count */
	size_t sent_size;
};

static int count(int fd, unsigned long request, uint32_t *ret, struct err *e)
{
	return ioctl(fd, request, ret) < 0 ? err_sys(e, "ask what is in its queues") : 0;
}

/* An end that waits in the queue to be sent counts as a byte. */
static bool has_own_end(const struct inetsk *s)
{
	return s->entry->state == STATE_FIN_WAIT1 || s->entry->state == STATE_LAST_ACK ||
	       s->entry->state == STATE_CLOSING;
}

static int read_numbers(struct reading *r, struct err *e)
{
	TcpStreamEntry *t = &r->stream;

	if (count(r->fd, SIOCINQ, &t->inq_len, e) < 0 ||
	    count(r->fd, SIOCOUTQ, &t->outq_len, e) < 0 ||
	    count(r->fd, SIOCOUTQNSD, &t->unsq_len, e) < 0 ||
	    repair_get_seq(r->fd, REPAIR_RECEIVED, &t->inq_seq, e) < 0 ||
	    repair_get_seq(r->fd, REPAIR_SENT, &t->outq_seq, e) < 0)
		return e->code;
	t->has_unsq_len = 1;
	if (has_own_end(r->s)) {
		t->outq_len -= t->outq_len > 0;
		t->unsq_len -= t->unsq_len > 0;
	}
	return 0;
}

static int read_window(struct reading *r, struct err *e)
{
	TcpStreamEntry *t = &r->stream;
	struct tcp_repair_window w = { 0 };
	socklen_t size = sizeof(w);

	if (getsockopt(r->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &size) < 0)
		return err_sys(e, "ask for its windows");
	t->has_snd_wl1 = t->has_snd_wnd = t->has_max_window = t->has_rcv_wnd = t->has_rcv_wup = 1;
	t->snd_wl1 = w.snd_wl1;
	t->snd_wnd = w.snd_wnd;
	t->max_window = w.max_window;
	t->rcv_wnd = w.rcv_wnd;
	t->rcv_wup = w.rcv_wup;
	return 0;
}

/* What both sides have agreed upon. */
static int read_agreed(struct reading *r, struct err *e)
{
	TcpStreamEntry *t = &r->stream;
	struct tcp_info info = { 0 };
	socklen_t a = sizeof(info), b = sizeof(t->mss_clamp), c = sizeof(t->timestamp);

	if (getsockopt(r->fd, IPPROTO_TCP, TCP_INFO, &info, &a) < 0 ||
	    getsockopt(r->fd, IPPROTO_TCP, TCP_MAXSEG, &t->mss_clamp, &b) < 0)
		return err_sys(e, "ask what its ends have agreed upon");
	t->opt_mask = info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
	if (t->opt_mask & TCPI_OPT_WSCALE) {
		t->snd_wscale = info.tcpi_snd_wscale;
		t->rcv_wscale = info.tcpi_rcv_wscale;
		t->has_rcv_wscale = 1;
	}
	if (!(t->opt_mask & TCPI_OPT_TIMESTAMPS))
		return 0;
	t->has_timestamp = 1;
	return getsockopt(r->fd, IPPROTO_TCP, TCP_TIMESTAMP, &t->timestamp, &c) < 0 ?
		       err_sys(e, "ask for its clock") :
		       0;
}

static int look(int fd, char *buf, size_t size, ssize_t *ret, struct err *e)
{
	*ret = size ? recv(fd, buf, size, MSG_PEEK | MSG_DONTWAIT) : 0;
	return *ret < 0 ? err_sys(e, "look at what waits in it") : 0;
}

static int read_queues(struct reading *r, struct err *e)
{
	const TcpStreamEntry *t = &r->stream;
	ssize_t received, sent;

	r->sent_size = t->outq_len ? t->outq_len + SLACK : 0;
	r->received = malloc(t->inq_len + 1);
	r->sent = malloc(r->sent_size + 1);
	if (!r->received || !r->sent)
		return err_sys(e, "memory for %u bytes of its queues", t->inq_len + t->outq_len);
	if (repair_choose(r->fd, REPAIR_RECEIVED, e) < 0 ||
	    look(r->fd, r->received, t->inq_len, &received, e) < 0 ||
	    repair_choose(r->fd, REPAIR_SENT, e) < 0 ||
	    look(r->fd, r->sent, r->sent_size, &sent, e) < 0)
		return e->code;
	if (received != (ssize_t)t->inq_len || sent < (ssize_t)t->outq_len)
		return err_say(e, "of %u and %u bytes in its queues only %zd and %zd can be had",
			       t->inq_len, t->outq_len, received, sent);
	r->sent_size = sent;
	return 0;
}

static int read_all(struct reading *r, struct err *e)
{
	if (r->s->entry->state == STATE_SYN_SENT)
		return 0; /* there is nothing that both know yet */
	if (read_numbers(r, e) < 0 || read_window(r, e) < 0 || read_agreed(r, e) < 0)
		return e->code;
	return read_queues(r, e);
}

/* A program that looks at its data from an offset on has it looked at from there by all. */
static int read_unshifted(struct reading *r, const struct guard_socket *g, struct err *e)
{
	struct guard *guard = r->s->file->dump->guard;
	struct guard_peek was = { g->pid, g->num, g->start_time, g->ino, -1 };
	socklen_t size = sizeof(was.offset);
	int none = -1, res;

	if (getsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, &size) < 0 || was.offset < 0)
		return read_all(r, e);
	guard_peek_begin(guard, &was);
	setsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &none, sizeof(none));
	res = read_all(r, e);
	setsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, sizeof(was.offset));
	guard_peek_end(guard);
	return res;
}

static int read_connection(struct reading *r, struct err *e)
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

static int write_connection(const struct reading *r, struct err *e)
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
	struct reading r = { .s = s, .fd = fd, .stream = TCP_STREAM_ENTRY__INIT };
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
	struct reading r = { .s = s, .fd = fd, .stream = TCP_STREAM_ENTRY__INIT };
	own_mem char *received = NULL;
	ssize_t n;

	if (count(fd, SIOCINQ, &r.stream.inq_len, e) < 0)
		return e->code;
	if (!r.stream.inq_len)
		return 0;
	r.received = received = malloc(r.stream.inq_len);
	if (!received)
		return err_sys(e, "memory for %u unread bytes", r.stream.inq_len);
	if (look(fd, received, r.stream.inq_len, &n, e) < 0)
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
		n += inetsk_is_connected(inetsk_of(f));
	*ret = pool_array(&d->pool, struct netlock_pair, n + 1);
	n = 0;
	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));) {
		const struct inetsk *s = inetsk_of(f);

		if (inetsk_is_connected(s) && (begun || s->entry->state != STATE_SYN_SENT))
			(*ret)[n++] = pair_of(s);
	}
	return n;
}

static int save(struct inetsk *s, struct err *e)
{
	own_fd fd = -1;
	int got;

	if (s->entry->proto != IPPROTO_TCP)
		return 0;
	if (files_copy(s->file, &got, e) < 0)
		return e->code;
	fd = got;
	if (inetsk_read_state(s, fd, e) < 0)
		return e->code;
	if (s->entry->state == STATE_CLOSE)
		return save_ended(s, fd, e);
	if (!inetsk_is_connected(s) || s->file->dump->opt->tcp_close)
		return 0;
	return save_connection(s, fd, e);
}

int inetsk_save_connections(struct dump *d, struct err *e)
{
	struct netlock_pair *pairs;
	size_t n = list(d, true, &pairs);

	if (!d->opt->tcp_close && network_block(d, pairs, n, e) < 0)
		return e->code;
	for (struct file *f = NULL; (f = files_next(d, &inetsk_fd_kind, f));)
		if (save(inetsk_of(f), e) < 0)
			return files_blame(f, e);
	n = list(d, false, &pairs);
	if (!d->opt->tcp_close)
		network_carries(d, pairs, n);
	if (d->opt->leave_running || d->opt->leave_stopped)
		network_release(d);
	return 0;
}
