/*
 * A TCP connection is made again without a packet, by TCP_REPAIR: sequence numbers, the two ends, what was agreed upon, both queues, windows.
 * What was sent and not acknowledged is put back as such; what was never sent is sent, which the network lock keeps from
 * going anywhere before the time. Ends (FIN) of ours come by shutdown(2), those of the other side by a packet (inetsk_inject.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/repair.h"
#include "restore/fd/inetsk.h"
#include "restore/sk_opts.h"

enum { PIECE = 1 << 18, SMALLEST = 512, ROOM = 1 << 30 };
enum { OPTION_MSS = 2, OPTION_WINDOW = 3, OPTION_SACK = 4, OPTION_TIMESTAMP = 8 };

/* Who has said that nothing more comes; each end counts as a byte of its sequence. */
static bool has_own_end(const struct rinet *s)
{
	uint32_t state = s->entry->state;

	return state == INETSK_FIN_WAIT1 || state == INETSK_FIN_WAIT2 || state == INETSK_LAST_ACK ||
	       state == INETSK_CLOSING;
}

static bool has_their_end(const struct rinet *s)
{
	uint32_t state = s->entry->state;

	return state == INETSK_CLOSE_WAIT || state == INETSK_LAST_ACK || state == INETSK_CLOSING;
}

/* What the other side has acknowledged; what it sends next. */
static uint32_t first_sent(const struct rinet *s)
{
	return s->stream->outq_seq - s->stream->outq_len - has_own_end(s);
}

static uint32_t next_received(const struct rinet *s)
{
	return s->stream->inq_seq - has_their_end(s);
}

static int connect_ends(struct rinet *s, struct err *e)
{
	union inet_address there;
	socklen_t size;
	char here[64], words[64];

	if (rinet_bind(s, e) < 0)
		return e->code;
	if (s->stream &&
	    (repair_set_seq(s->fd, REPAIR_RECEIVED, next_received(s) - s->stream->inq_len, e) < 0 ||
	     repair_set_seq(s->fd, REPAIR_SENT, first_sent(s), e) < 0))
		return e->code;
	if (rinet_address(s, true, &there, &size, e) < 0)
		return e->code;
	if (connect(s->fd, &there.any, size) == 0 || (!s->stream && errno == EINPROGRESS))
		return 0;
	rinet_words(s, true, words, sizeof(words));
	rinet_words(s, false, here, sizeof(here));
	err_sys(e, "connect %s to %s", here, words);
	return e->code == -EADDRNOTAVAIL || e->code == -EADDRINUSE ?
		       err_hint(e,
				"there is such a connection already; end the process that has it") :
		       e->code;
}

/* --- what was agreed upon --------------------------------------------------------------------------- */

static int set_agreed(const struct rinet *s, struct err *e)
{
	const TcpStreamEntry *t = s->stream;
	struct tcp_repair_opt all[4] = { { OPTION_MSS, t->mss_clamp } };
	size_t n = 1;

	if (t->opt_mask & TCPI_OPT_WSCALE)
		all[n++] = (struct tcp_repair_opt){ OPTION_WINDOW,
						    t->snd_wscale | t->rcv_wscale << 16 };
	if (t->opt_mask & TCPI_OPT_SACK)
		all[n++] = (struct tcp_repair_opt){ OPTION_SACK, 0 };
	if (t->opt_mask & TCPI_OPT_TIMESTAMPS)
		all[n++] = (struct tcp_repair_opt){ OPTION_TIMESTAMP, 0 };
	if (setsockopt(s->fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, all, n * sizeof(all[0])) < 0)
		return err_sys(e, "set what its ends have agreed upon");
	if (t->has_timestamp &&
	    setsockopt(s->fd, IPPROTO_TCP, TCP_TIMESTAMP, &t->timestamp, sizeof(t->timestamp)) < 0)
		return err_sys(e, "set its clock");
	return 0;
}

/* whole: the end of the other side is there, if there is one, and counts. */
static int set_window(const struct rinet *s, bool whole, struct err *e)
{
	const TcpStreamEntry *t = s->stream;
	struct tcp_repair_window w = {
		.snd_wl1 = t->snd_wl1,
		.snd_wnd = t->snd_wnd,
		.max_window = t->max_window,
		.rcv_wnd = t->rcv_wnd,
		.rcv_wup = t->rcv_wup,
	};

	if (!t->has_snd_wnd)
		return 0;
	if (!whole && w.rcv_wup == t->inq_seq)
		w.rcv_wup = next_received(s);
	return setsockopt(s->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, sizeof(w)) < 0 ?
		       err_sys(e, "set its windows") :
		       0;
}

/* --- queues ----------------------------------------------------------------------------------------- */

/* The kernel wants each piece in one, so a large one may be too large for it. */
static int put(const struct rinet *s, const char *data, size_t size, struct err *e)
{
	size_t piece = PIECE;

	while (size) {
		size_t want = size < piece ? size : piece;
		ssize_t n = send(s->fd, data, want, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == ENOMEM || errno == ENOBUFS) && piece > SMALLEST) {
			piece /= 2;
			continue;
		}
		if (n <= 0)
			return err_sys(e, "put %zu bytes into its queues", size);
		data += n;
		size -= n;
	}
	return 0;
}

void rinet_make_room(int fd)
{
	int size = ROOM;

	sk_opts_make_room(fd);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

int rinet_fill_received(const struct rinet *s, struct err *e)
{
	rinet_make_room(s->fd);
	if (repair_choose(s->fd, REPAIR_RECEIVED, e) < 0)
		return e->code;
	return put(s, s->received, s->stream->inq_len, e);
}

static int fill(const struct rinet *s, struct err *e)
{
	const TcpStreamEntry *t = s->stream;

	if (rinet_fill_received(s, e) < 0 || repair_choose(s->fd, REPAIR_SENT, e) < 0)
		return e->code;
	return put(s, s->sent, t->outq_len - t->unsq_len, e);
}

/* What was never sent: as a program would do it. */
static int fill_unsent(const struct rinet *s, struct err *e)
{
	const TcpStreamEntry *t = s->stream;

	if (!t->unsq_len)
		return 0;
	repair_end(s->fd, 1);
	if (put(s, s->sent + t->outq_len - t->unsq_len, t->unsq_len, e) < 0)
		return e->code;
	if (has_own_end(s) && shutdown(s->fd, SHUT_WR) < 0)
		return err_sys(e, "shut it down");
	return repair_begin(s->fd, e);
}

/* --- ends ------------------------------------------------------------------------------------------- */

static int end_theirs(const struct rinet *s, int state, struct err *e)
{
	const struct injected i = {
		.seq = next_received(s),
		.ack = first_sent(s),
		.window = s->stream->snd_wnd >> s->stream->snd_wscale,
		.end = true,
		.state = state,
	};

	return rinet_inject(s, &i, e);
}

/* One that was sent along with all the rest counts as sent. */
static int end_ours(const struct rinet *s, struct err *e)
{
	if (s->stream->unsq_len)
		return 0;
	if (repair_choose(s->fd, REPAIR_SENT, e) < 0)
		return e->code;
	return shutdown(s->fd, SHUT_WR) < 0 ? err_sys(e, "shut it down") : 0;
}

static int acknowledge(const struct rinet *s, struct err *e)
{
	const struct injected i = {
		.seq = next_received(s),
		.ack = s->stream->outq_seq,
		.window = s->stream->snd_wnd >> s->stream->snd_wscale,
		.state = INETSK_FIN_WAIT2,
	};

	return rinet_inject(s, &i, e);
}

static int set_ends(const struct rinet *s, struct err *e)
{
	switch (s->entry->state) {
	case INETSK_FIN_WAIT1:
		return end_ours(s, e);
	case INETSK_FIN_WAIT2:
		return end_ours(s, e) < 0 ? e->code : acknowledge(s, e);
	case INETSK_CLOSE_WAIT:
		return end_theirs(s, INETSK_CLOSE_WAIT, e);
	case INETSK_LAST_ACK:
		return end_theirs(s, INETSK_CLOSE_WAIT, e) < 0 ? e->code : end_ours(s, e);
	case INETSK_CLOSING:
		return end_ours(s, e) < 0 ? e->code : end_theirs(s, INETSK_CLOSING, e);
	default:
		return 0;
	}
}

/* --- all of it -------------------------------------------------------------------------------------- */

static void forget(struct rinet *s)
{
	free(s->received);
	free(s->sent);
	s->received = s->sent = NULL;
}

/* The end of the other side comes in before what was never sent, which may end with ours. */
static int make_connection(struct rinet *s, struct err *e)
{
	bool late = s->stream->unsq_len && s->entry->state == INETSK_LAST_ACK;

	if (repair_begin(s->fd, e) < 0)
		return e->code;
	s->connected = true;
	if (connect_ends(s, e) < 0 || set_agreed(s, e) < 0 || fill(s, e) < 0)
		return e->code;
	if (late && end_theirs(s, INETSK_CLOSE_WAIT, e) < 0)
		return e->code;
	if (set_window(s, late, e) < 0 || fill_unsent(s, e) < 0)
		return e->code;
	if (!late && set_ends(s, e) < 0)
		return e->code;
	forget(s);
	return set_window(s, true, e);
}

/* Nobody has answered the first packet yet, so another one is sent. */
static int begin_connection(struct rinet *s, struct err *e)
{
	if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "set its flags");
	return connect_ends(s, e);
}

int rinet_connect(struct rinet *s, struct err *e)
{
	return s->stream ? make_connection(s, e) : begin_connection(s, e);
}
