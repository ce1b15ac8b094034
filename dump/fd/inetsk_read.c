/* What is in one TCP connection, read in TCP_REPAIR mode: both queues, sequence numbers, windows, what was agreed upon. */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "dump/fd/inetsk.h"
#include "lib/repair.h"

/* The same numbers as in netinet/tcp.h, which does not go with linux/tcp.h. */
enum {
	STATE_SYN_SENT = 2,
	STATE_FIN_WAIT1 = 4,
	STATE_LAST_ACK = 9,
	STATE_CLOSING = 11,
};

/* Parts of a segment that are acknowledged already may still be in the queue. */
enum { SLACK = 1 << 17 };

int inetsk_count(int fd, unsigned long request, uint32_t *ret, struct err *e)
{
	return ioctl(fd, request, ret) < 0 ? err_sys(e, "ask what is in its queues") : 0;
}

/* An end that waits in the queue to be sent counts as a byte. */
static bool has_own_end(uint32_t state)
{
	return state == STATE_FIN_WAIT1 || state == STATE_LAST_ACK || state == STATE_CLOSING;
}

static int read_numbers(struct inetsk_reading *r, struct err *e)
{
	TcpStreamEntry *t = &r->stream;

	if (inetsk_count(r->fd, SIOCINQ, &t->inq_len, e) < 0 ||
	    inetsk_count(r->fd, SIOCOUTQ, &t->outq_len, e) < 0 ||
	    inetsk_count(r->fd, SIOCOUTQNSD, &t->unsq_len, e) < 0 ||
	    repair_get_seq(r->fd, REPAIR_RECEIVED, &t->inq_seq, e) < 0 ||
	    repair_get_seq(r->fd, REPAIR_SENT, &t->outq_seq, e) < 0)
		return e->code;
	t->has_unsq_len = 1;
	if (has_own_end(r->state)) {
		t->outq_len -= t->outq_len > 0;
		t->unsq_len -= t->unsq_len > 0;
	}
	return 0;
}

static int read_window(struct inetsk_reading *r, struct err *e)
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
static int read_agreed(struct inetsk_reading *r, struct err *e)
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

int inetsk_look(int fd, char *buf, size_t size, ssize_t *ret, struct err *e)
{
	*ret = size ? recv(fd, buf, size, MSG_PEEK | MSG_DONTWAIT) : 0;
	return *ret < 0 ? err_sys(e, "look at what waits in it") : 0;
}

static int read_queues(struct inetsk_reading *r, struct err *e)
{
	const TcpStreamEntry *t = &r->stream;
	ssize_t received, sent;

	r->sent_size = t->outq_len ? t->outq_len + SLACK : 0;
	r->received = malloc(t->inq_len + 1);
	r->sent = malloc(r->sent_size + 1);
	if (!r->received || !r->sent)
		return err_sys(e, "memory for %u bytes of its queues", t->inq_len + t->outq_len);
	if (repair_choose(r->fd, REPAIR_RECEIVED, e) < 0 ||
	    inetsk_look(r->fd, r->received, t->inq_len, &received, e) < 0 ||
	    repair_choose(r->fd, REPAIR_SENT, e) < 0 ||
	    inetsk_look(r->fd, r->sent, r->sent_size, &sent, e) < 0)
		return e->code;
	if (received != (ssize_t)t->inq_len || sent < (ssize_t)t->outq_len)
		return err_say(e, "of %u and %u bytes in its queues only %zd and %zd can be had",
			       t->inq_len, t->outq_len, received, sent);
	r->sent_size = sent;
	return 0;
}

int inetsk_read_connection(struct inetsk_reading *r, struct err *e)
{
	if (r->state == STATE_SYN_SENT)
		return 0; /* there is nothing that both know yet */
	if (read_numbers(r, e) < 0 || read_window(r, e) < 0 || read_agreed(r, e) < 0)
		return e->code;
	return read_queues(r, e);
}
