/* Connections that wait to be accepted; see backlog.h. */
#include "lib/backlog.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/netlink.h"
#include "lib/own.h"
#include "lib/packet.h"
#include "lib/repair.h"

enum { STATE_NONE, STATE_ESTABLISHED, STATE_SYN_RECV = 3, STATE_CLOSE = 7, STATE_CLOSE_WAIT };
enum {
	PATIENCE_MS = 2000,
	PIECE_FIRST = 32350,
	PIECE_MAX = 65100,
	PIECE_MIN = 1000,
	QUICK_TRIES = 20,
	FILL_TRIES = 100,
	BEFORE = 64,
	WINDOW_MAX = 65535,
	NOBODY = 9
};
/* How far behind the last number of a connection the kernel begins with the next one. */
enum { APART = 65535 + 2 };

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t fill_address(union address *a, const struct netlock_pair *ends, bool there)
{
	uint16_t port = htons(there ? ends->there_port : ends->here_port);

	memset(a, 0, sizeof(*a));
	a->any.sa_family = ends->six ? AF_INET6 : AF_INET;
	if (ends->six) {
		a->in6.sin6_port = port;
		memcpy(&a->in6.sin6_addr, there ? ends->there : ends->here, 16);
		return sizeof(a->in6);
	}
	a->in.sin_port = port;
	memcpy(&a->in.sin_addr, there ? ends->there : ends->here, 4);
	return sizeof(a->in);
}

static int give_up(const char *what, struct err *e)
{
	err_say(e, "a connection that nobody has accepted yet does not %s", what);
	return err_hint(e, "a firewall may keep packets from the loopback interface");
}

/* --- a connection of the same ends that has just ended ---------------------------------------------- */

static int state_of(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ? -1 : info.tcpi_state;
}

static int connect_before(int fd, const struct backlog_connection *c, uint32_t sent,
			  uint32_t received, struct err *e)
{
	union address here, there;
	socklen_t size = fill_address(&here, &c->ends, false);

	fill_address(&there, &c->ends, true);
	if (repair_begin(fd, e) < 0)
		return e->code;
	if (bind(fd, &here.any, size) < 0)
		return err_sys(e, "bind a socket to the address of a connection");
	if (repair_set_seq(fd, REPAIR_SENT, sent, e) < 0 ||
	    repair_set_seq(fd, REPAIR_RECEIVED, received, e) < 0)
		return e->code;
	if (connect(fd, &there.any, size) < 0)
		return err_sys(e, "make the connection that was before one");
	if (repair_choose(fd, REPAIR_SENT, e) < 0)
		return e->code;
	return shutdown(fd, SHUT_WR) < 0 ? err_sys(e, "shut it down") : 0;
}

static int make_before(const struct backlog_connection *c, struct err *e)
{
	uint32_t sent = c->sent - 1 - APART - 1, received = c->received - 1 - BEFORE;
	const struct packet_tcp end = {
		.seq = received, .ack = sent + 1, .window = WINDOW_MAX, .end = true
	};
	own_fd fd = socket(c->ends.six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "make a socket");
	if (connect_before(fd, c, sent, received, e) < 0 || packet_tcp(&c->ends, &end, e) < 0)
		return e->code;
	for (int i = 0; i < PATIENCE_MS; i++) {
		if (state_of(fd) == STATE_CLOSE)
			return 0;
		usleep(1000);
	}
	return give_up("end", e);
}

/* --- the packets ------------------------------------------------------------------------------------ */

/* Until it has that state and so many unread bytes. A state of none: until there is no such connection. */
static int await(const struct backlog_connection *c, int state, uint32_t unread, struct err *e)
{
	for (int i = 0; i < PATIENCE_MS; i++) {
		struct netlink_tcp now;

		if (netlink_tcp_state(&c->ends, &now) < 0)
			now = (struct netlink_tcp){ 0 };
		if (now.state == state && (now.unread == unread || state == STATE_SYN_RECV))
			return 0;
		usleep(i < 10 ? 20 : 1000);
	}
	return give_up(state == STATE_SYN_RECV	  ? "begin" :
		       state == STATE_ESTABLISHED ? "take what was sent to it" :
						    "end",
		       e);
}

static size_t append(uint8_t *to, size_t at, const uint8_t *bytes, size_t size)
{
	memcpy(to + at, bytes, size);
	return at + size;
}

/* What the other side has offered. Of a clock that begins with 0 any later time is later. */
static size_t fill_offer(uint8_t *to, const struct backlog_connection *c)
{
	const uint8_t mss[] = { 2, 4, c->mss >> 8, c->mss & 0xff };
	const uint8_t sack[] = { 1, 1, 4, 2 };
	const uint8_t scale[] = { 1, 3, 3, c->snd_wscale };
	const uint8_t clock[12] = { 1, 1, 8, 10 };
	size_t n = append(to, 0, mss, sizeof(mss));

	if (c->options & TCPI_OPT_SACK)
		n = append(to, n, sack, sizeof(sack));
	if (c->options & TCPI_OPT_WSCALE)
		n = append(to, n, scale, sizeof(scale));
	if (c->options & TCPI_OPT_TIMESTAMPS)
		n = append(to, n, clock, sizeof(clock));
	return n;
}

static uint16_t window_of(const struct backlog_connection *c)
{
	uint32_t w = c->options & TCPI_OPT_WSCALE ? c->window >> c->snd_wscale : c->window;

	return w > WINDOW_MAX ? WINDOW_MAX : w;
}

static int begin(const struct backlog_connection *c, struct err *e)
{
	uint8_t offer[40];
	struct packet_tcp first = { .seq = c->received - 1, .begin = true, .options = offer };
	const struct packet_tcp answer = { .seq = c->received,
					   .ack = c->sent,
					   .window = window_of(c) };

	first.options_size = fill_offer(offer, c);
	first.window = c->window > WINDOW_MAX ? WINDOW_MAX : c->window;
	if (packet_tcp(&c->ends, &first, e) < 0 || await(c, STATE_SYN_RECV, 0, e) < 0 ||
	    packet_tcp(&c->ends, &answer, e) < 0)
		return e->code;
	return await(c, STATE_ESTABLISHED, 0, e);
}

/* True once it has taken so many bytes. */
static bool has_taken(const struct backlog_connection *c, uint32_t unread)
{
	for (int i = 0; i < QUICK_TRIES; i++) {
		struct netlink_tcp now;

		if (netlink_tcp_state(&c->ends, &now) == 0 && now.unread >= unread)
			return true;
		usleep(i < 10 ? 20 : 200);
	}
	return false;
}

/*
 * Pieces that just fit into what the kernel sets aside for them (32 and 64 KiB) take the least memory, of which a connection has only
 * so much, by which its window is told. What is beyond its window is dropped, and the window is looked at anew when something was dropped.
 */
static int fill(const struct backlog_connection *c, struct err *e)
{
	struct packet_tcp p = { .ack = c->sent, .window = window_of(c) };
	uint32_t piece = PIECE_FIRST, tries = 0;

	for (uint32_t at = 0; at < c->size;) {
		p.seq = c->received + at;
		p.data = c->data + at;
		p.size = c->size - at < piece ? c->size - at : piece;
		if (packet_tcp(&c->ends, &p, e) < 0)
			return e->code;
		if (has_taken(c, at + p.size)) {
			at += p.size;
			piece = tries ? piece : PIECE_MAX;
			tries = 0;
			continue;
		}
		if (tries++ > FILL_TRIES)
			return give_up("take what was sent to it", e);
		piece = piece > PIECE_MIN ? piece / 2 : PIECE_MIN;
	}
	return 0;
}

static int end(const struct backlog_connection *c, struct err *e)
{
	const struct packet_tcp p = {
		.seq = c->received + c->size,
		.ack = c->sent,
		.window = window_of(c),
		.end = c->ended && !c->reset,
		.reset = c->reset,
	};

	if (!c->ended && !c->reset)
		return 0;
	if (packet_tcp(&c->ends, &p, e) < 0)
		return e->code;
	return c->reset ? await(c, STATE_NONE, 0, e) : await(c, STATE_CLOSE_WAIT, c->size + 1, e);
}

static int add(const struct backlog_connection *c, struct err *e)
{
	return make_before(c, e) < 0 || begin(c, e) < 0 || fill(c, e) < 0 ? e->code : end(c, e);
}

/* --- what has become of it -------------------------------------------------------------------------- */

/* The clock of ours that the other side has seen must not go back: then it gets none, which it has to take. */
static int compare(int fd, struct backlog_connection *c, struct err *e)
{
	struct tcp_info info = { 0 };
	uint32_t now = 0;
	socklen_t size = sizeof(info), clock_size = sizeof(now);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, &now, &clock_size) < 0)
		return err_sys(e, "ask what its ends have agreed upon");
	if (c->options & TCPI_OPT_TIMESTAMPS && (int32_t)(now - c->timestamp) < 0)
		c->options &= ~TCPI_OPT_TIMESTAMPS;
	if (c->reset || !(c->options & TCPI_OPT_WSCALE) || info.tcpi_rcv_wscale == c->rcv_wscale)
		return 0;
	err_say(e,
		"a connection that nobody has accepted yet has its windows in units of %u bytes, and "
		"would get units of %u",
		1U << c->rcv_wscale, 1U << info.tcpi_rcv_wscale);
	return err_hint(e, "make the sysctl net.ipv4.tcp_rmem what it was at the dump");
}

static int take_out(int listener, int *ret_fd, struct err *e)
{
	struct pollfd look = { .fd = listener, .events = POLLIN };

	if (poll(&look, 1, 0) != 1)
		return give_up("come to the socket that listens", e);
	own_fd fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "accept a connection that was made to be tried");
	if (repair_begin(fd, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* It is taken out again, however far it has got, and ends without a word. */
static int try(int listener, struct backlog_connection *c, struct err *e)
{
	struct err later = { 0 };
	own_fd fd = -1;
	int got = -1;

	if (add(c, e) < 0)
		fd = take_out(listener, &got, &later) < 0 ? -1 : got;
	else
		fd = take_out(listener, &got, e) < 0 ? -1 : got;
	return e->code ? e->code : compare(fd, c, e);
}

static bool works(int res, const struct err *said, struct err *first)
{
	if (res < 0 && !first->code)
		*first = *said;
	return res == 0;
}

/* One that cannot be put there does not keep the others away. */
static int fill_all(int listener, struct backlog_connection *all, size_t count, struct err *e)
{
	own_mem bool *good = calloc(count + 1, sizeof(*good));

	if (!good)
		return err_sys(e, "memory for %zu connections", count);
	for (size_t i = 0; i < count; i++) {
		struct err said = { 0 };

		good[i] = works(try(listener, &all[i], &said), &said, e);
	}
	for (size_t i = 0; i < count; i++) {
		struct err said = { 0 };

		if (good[i])
			works(add(&all[i], &said), &said, e);
	}
	return e->code;
}

/* One that listens only for those who send something takes no others. */
int backlog_fill(int listener, struct backlog_connection *all, size_t count, struct err *e)
{
	int seconds = 0, none = 0, res;
	socklen_t size = sizeof(seconds);

	if (getsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, &size) < 0)
		return err_sys(e, "ask whom a socket listens for");
	if (!seconds)
		return fill_all(listener, all, count, e);
	setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &none, sizeof(none));
	res = fill_all(listener, all, count, e);
	setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds));
	return res;
}

static int listen_at(const struct netlock_pair *ends, uint16_t *ret_port, int *ret_fd,
		     struct err *e)
{
	struct netlock_pair any = *ends;
	union address here;
	socklen_t size;
	own_fd fd = socket(ends->six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	any.here_port = 0;
	size = fill_address(&here, &any, false);
	if (fd < 0 || bind(fd, &here.any, size) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, &here.any, &size) < 0)
		return err_sys(e, "listen at an address of its own");
	*ret_port = ntohs(ends->six ? here.in6.sin6_port : here.in.sin_port);
	*ret_fd = take_fd(&fd);
	return 0;
}

int backlog_try(const struct netlock_pair *ends, struct err *e)
{
	struct backlog_connection c = {
		.ends = *ends, .sent = 1000, .received = 2000, .mss = 1000
	};
	struct netlock *lock = NULL;
	int fd = -1, res;

	memcpy(c.ends.there, ends->here, sizeof(ends->here));
	c.ends.there_port = NOBODY;
	if (listen_at(ends, &c.ends.here_port, &fd, e) < 0)
		return e->code;
	res = netlock_hold(&c.ends, 1, &lock, e);
	if (res == 0)
		res = try(fd, &c, e);
	close(fd);
	netlock_drop(&lock);
	return res;
}
