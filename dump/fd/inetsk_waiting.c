/*
 * Connections that nobody has accepted yet. Only who accepts one can look into it, so that is what we do, all of a queue together, and
 * then put them back as they were (lib/backlog.h). That is the work of a process of its own, which carries on when we are killed; no
 * signal but SIGKILL reaches it, and new connections are kept away meanwhile.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump/fd/inetsk.h"
#include "images/image.h"
#include "lib/backlog.h"
#include "lib/io.h"
#include "lib/netlink.h"
#include "lib/repair.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* A queue, while it is in our hands. */
struct queue {
	struct inetsk *s;
	int listener;
	uint32_t count;
	struct backlog_connection *at;
	int *fds;
};

/* --- in the process that does it -------------------------------------------------------------------- */

static uint16_t fill_end(const union address *a, uint8_t *to, bool *ret_six)
{
	*ret_six = a->any.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
	if (*ret_six)
		memcpy(to, &a->in6.sin6_addr, 16);
	else if (a->any.sa_family == AF_INET6)
		memcpy(to, a->in6.sin6_addr.s6_addr + 12, 4);
	else
		memcpy(to, &a->in.sin_addr, 4);
	return ntohs(a->any.sa_family == AF_INET6 ? a->in6.sin6_port : a->in.sin_port);
}

static int accept_one(struct queue *q, uint32_t i, struct err *e)
{
	struct netlock_pair *ends = &q->at[i].ends;
	union address here = { 0 }, there = { 0 };
	socklen_t here_size = sizeof(here), size = sizeof(there);

	q->fds[i] = accept4(q->listener, &there.any, &size, SOCK_CLOEXEC);
	if (q->fds[i] < 0)
		return err_sys(e, "accept a connection to look into it");
	if (repair_begin(q->fds[i], e) < 0)
		return e->code;
	if (getsockname(q->fds[i], &here.any, &here_size) < 0)
		return err_sys(e, "ask for the address of a connection");
	ends->here_port = fill_end(&here, ends->here, &ends->six);
	ends->there_port = fill_end(&there, ends->there, &ends->six);
	return 0;
}

/* What cannot be read cannot be put back either, and its program hears that it has ended. */
static void make_reset(struct backlog_connection *c)
{
	c->reset = true;
	c->size = 0;
	c->mss = TCP_MSS_DEFAULT;
	c->sent = c->received = 1000;
}

static int read_reset(struct backlog_connection *c, int fd, struct err *e)
{
	ssize_t n;

	make_reset(c);
	if (inetsk_count(fd, SIOCINQ, &c->size, e) < 0 || repair_choose(fd, REPAIR_RECEIVED, e) < 0)
		return e->code;
	c->data = malloc(c->size + 1);
	if (!c->data)
		return err_sys(e, "memory for %u unread bytes", c->size);
	if (inetsk_look(fd, c->data, c->size, &n, e) < 0)
		return e->code;
	c->size = n;
	return 0;
}

static int read_one(struct queue *q, uint32_t i, struct err *e)
{
	struct backlog_connection *c = &q->at[i];
	struct inetsk_reading r = { .fd = q->fds[i], .stream = TCP_STREAM_ENTRY__INIT };
	const TcpStreamEntry *t = &r.stream;
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(r.fd, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return err_sys(e, "ask for the state of a connection");
	r.state = info.tcpi_state;
	if (r.state == TCP_CLOSE)
		return read_reset(c, r.fd, e);
	if (inetsk_read_connection(&r, e) < 0)
		return e->code;
	free(r.sent);
	c->data = r.received;
	c->ended = r.state == TCP_CLOSE_WAIT;
	c->size = t->inq_len;
	c->received = t->inq_seq - c->ended - t->inq_len;
	c->sent = t->outq_seq;
	c->window = t->snd_wnd;
	c->mss = t->mss_clamp;
	c->options = t->opt_mask;
	c->snd_wscale = t->snd_wscale;
	c->rcv_wscale = t->rcv_wscale;
	c->timestamp = t->timestamp;
	return 0;
}

/* Those that have been reset nobody could find before, so they are not blocked yet. */
static int block_reset(const struct queue *q, struct netlock **ret, struct err *e)
{
	own_mem struct netlock_pair *pairs = malloc((q->count + 1) * sizeof(*pairs));
	size_t n = 0;

	if (!pairs)
		return err_sys(e, "memory for connections");
	for (uint32_t i = 0; i < q->count; i++)
		if (q->at[i].reset)
			pairs[n++] = q->at[i].ends;
	return n ? netlock_hold(pairs, n, ret, e) : 0;
}

/* All that were taken out are put back, whatever comes of it. */
static int look_into(struct queue *q, struct err *e)
{
	struct netlock *lock = NULL;
	struct err later = { 0 };
	uint32_t n = 0;

	while (n < q->count && accept_one(q, n, e) == 0)
		n++;
	q->count = n;
	for (uint32_t i = 0; i < n; i++)
		if (read_one(q, i, e->code ? &later : e) < 0)
			make_reset(&q->at[i]);
	for (uint32_t i = 0; i < n; i++)
		close(q->fds[i]);
	if ((block_reset(q, &lock, &later) < 0 ||
	     backlog_fill(q->listener, q->at, n, &later) < 0) &&
	    !e->code)
		*e = later;
	netlock_drop(&lock);
	return e->code;
}

/* What it says: this, then the connections, then their bytes. */
struct answer {
	struct err err;
	uint32_t count;
};

static int answer(int to, const struct queue *q, const struct err *said, struct err *e)
{
	struct answer a = { .err = *said, .count = q->count };

	if (io_write(to, &a, sizeof(a), "an answer", e) < 0 ||
	    io_write(to, q->at, q->count * sizeof(*q->at), "an answer", e) < 0)
		return e->code;
	for (uint32_t i = 0; i < q->count; i++)
		if (io_write(to, q->at[i].data, q->at[i].size, "an answer", e) < 0)
			return e->code;
	return 0;
}

/* No signal to our group or session reaches it. */
_Noreturn static void work(struct queue *q, int to)
{
	struct err e = { 0 }, later = { 0 };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	look_into(q, &e);
	_exit(answer(to, q, &e, &later) < 0);
}

/* --- for the dump ----------------------------------------------------------------------------------- */

static int take_answer(struct queue *q, int from, struct err *e)
{
	struct pool *pool = &q->s->file->dump->pool;
	struct answer a;

	if (lseek(from, 0, SEEK_SET) < 0 || io_read(from, &a, sizeof(a), "an answer", e) < 0)
		return err_code(e, EINTR, "a process of ours was killed");
	if (a.err.code) {
		*e = a.err;
		return e->code;
	}
	q->count = a.count;
	if (io_read(from, q->at, q->count * sizeof(*q->at), "an answer", e) < 0)
		return e->code;
	for (uint32_t i = 0; i < q->count; i++) {
		q->at[i].data = pool_array(pool, char, q->at[i].size + 1);
		if (io_read(from, q->at[i].data, q->at[i].size, "an answer", e) < 0)
			return e->code;
	}
	return 0;
}

static int look_apart(struct queue *q, struct err *e)
{
	own_fd answer = memfd_create("waiting", MFD_CLOEXEC);
	pid_t pid;

	if (answer < 0)
		return err_sys(e, "memfd_create");
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		work(q, answer);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return take_answer(q, answer, e);
}

/* While nothing is taken out that could not be put back. */
static int check(struct queue *q, struct err *e)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	struct netlock_pair *all = NULL;
	size_t count = 0;
	int res;

	if (getsockopt(q->listener, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return err_sys(e, "ask for its state");
	q->count = info.tcpi_unacked;
	if (q->count > info.tcpi_sacked + 1) {
		err_code(e, ENOTSUP, "%u connections wait in it, which are more than it takes, %u",
			 q->count, info.tcpi_sacked + 1);
		return err_hint(e, "let the program accept them before the dump");
	}
	if (netlink_tcp_waiting(q->s->entry->src_port, &all, &count) < 0)
		return err_sys(e, "ask what waits in it");
	res = count ? backlog_try(&all[0], e) : 0;
	free(all);
	return res;
}

static int check_socket(const struct inetsk *s, struct err *e)
{
	const SkOptsEntry *o = s->entry->opts;
	const char *why = o->so_bound_dev  ? "it is bound to an interface" :
			  s->entry->ifname ? "it is of one interface" :
			  o->so_reuseport  ? "it may share its port (SO_REUSEPORT)" :
					     NULL;

	if (!why)
		return 0;
	err_code(
		e, ENOTSUP,
		"connections that were not accepted yet wait in it, which is not supported while %s",
		why);
	return err_hint(e, "let the program accept them before the dump, or drop them with "
			   "--skip-in-flight");
}

static void fill_entry(const struct queue *q, uint32_t i, InetWaitingEntry *w)
{
	struct backlog_connection *c = &q->at[i];

	w->id = q->s->file->id;
	w->here = (ProtobufCBinaryData){ c->ends.six ? 16 : 4, c->ends.here };
	w->there = (ProtobufCBinaryData){ c->ends.six ? 16 : 4, c->ends.there };
	w->here_port = c->ends.here_port;
	w->there_port = c->ends.there_port;
	w->length = c->size;
	w->inq_seq = c->received;
	w->outq_seq = c->sent;
	w->opt_mask = c->options;
	w->snd_wscale = c->snd_wscale;
	w->rcv_wscale = c->rcv_wscale;
	w->mss_clamp = c->mss;
	w->snd_wnd = c->window;
	w->has_timestamp = (c->options & TCPI_OPT_TIMESTAMPS) != 0;
	w->timestamp = c->timestamp;
	w->has_ended = w->ended = c->ended;
	w->has_reset = w->reset = c->reset;
}

static int write_all(const struct queue *q, struct image *img, struct err *e)
{
	struct dump *d = q->s->file->dump;

	if (!img->file && image_create(img, d->images, IMG_INET_WAITING, 0, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < q->count; i++) {
		InetWaitingEntry w = INET_WAITING_ENTRY__INIT;

		fill_entry(q, i, &w);
		if (image_write(img, &w, e) < 0 ||
		    (w.length && image_write_extra(img, q->at[i].data, w.length, e) < 0))
			return e->code;
	}
	return 0;
}

static void note_ends(struct inetsk *s, const struct queue *q)
{
	s->waiting = q->count;
	s->waiting_ends = pool_array(&s->file->dump->pool, struct netlock_pair, q->count + 1);
	for (uint32_t i = 0; i < q->count; i++)
		s->waiting_ends[i] = q->at[i].ends;
}

int inetsk_save_waiting(struct inetsk *s, int fd, struct image *img, struct err *e)
{
	struct queue q = { .s = s, .listener = fd };
	struct pool *pool = &s->file->dump->pool;

	if (check_socket(s, e) < 0 || check(&q, e) < 0)
		return e->code;
	q.at = pool_array(pool, struct backlog_connection, q.count + 1);
	q.fds = pool_array(pool, int, q.count + 1);
	if (q.count && look_apart(&q, e) < 0)
		return e->code;
	note_ends(s, &q);
	return q.count ? write_all(&q, img, e) : 0;
}
