/* Connections that pages go over; see link.h. */
#include "pages/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "pages/tls.h"

enum { OUT = 256 << 10, LOOK_MS = 100 };

/* A machine that is gone says nothing. */
static void watch_over(int fd)
{
	static const struct {
		int level, name, value;
	} all[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },    { SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 30 },  { IPPROTO_TCP, TCP_KEEPINTVL, 10 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 6 },
	};

	/* A socket that was passed may be of another kind. */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		setsockopt(fd, all[i].level, all[i].name, &all[i].value, sizeof(all[i].value));
}

/* Numbers only, unless names are looked up for somebody who connects. */
static int find_address(const struct options *opt, bool passive, struct addrinfo **ret,
			struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const char *host = opt->address ? opt->address : "127.0.0.1";
	char port[16];
	int r;

	hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE | AI_NUMERICHOST : 0);
	snprintf(port, sizeof(port), "%d", opt->pages.port);
	r = getaddrinfo(host, port, &hints, ret);
	if (r == EAI_SYSTEM)
		return err_sys(e, "find the address '%s'", host);
	if (r == 0)
		return 0;
	err_say(e, "'%s' is no address: %s", host, gai_strerror(r));
	return passive ? err_hint(e, "a page server takes numbers, not names") : e->code;
}

static bool is_loopback(const struct sockaddr *a)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)a;

	if (a->sa_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* Whoever can connect gets, or gives, the memory of processes. */
static int check_open(const struct options *opt, const struct addrinfo *a, struct err *e)
{
	if (is_loopback(a->ai_addr) || opt->pages.tls || opt->pages.insecure)
		return 0;
	err_code(e, EPERM, "at '%s' anybody in the network could read and write these pages",
		 opt->address);
	return err_hint(e, "use --tls, or an address like 127.0.0.1 with a tunnel by ssh, or "
			   "--insecure if nobody else is there");
}

static int port_of(int fd)
{
	struct sockaddr_storage a;
	socklen_t size = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		return 0;
	return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&a)->sin6_port :
					       ((struct sockaddr_in *)&a)->sin_port);
}

int link_listen(const struct options *opt, int *ret_fd, int *ret_port, struct err *e)
{
	struct addrinfo *found;
	int one = 1, r;

	*ret_fd = -1;
	*ret_port = 0;
	if (opt->pages.socket >= 0)
		return 0;
	if (find_address(opt, true, &found, e) < 0)
		return e->code;
	own_fd fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = check_open(opt, found, e);
	if (r == 0 && (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		       bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, 1) < 0))
		r = err_sys(e, "listen at '%s', port %d", opt->address ? opt->address : "127.0.0.1",
			    opt->pages.port);
	freeaddrinfo(found);
	if (r < 0)
		return r;
	*ret_port = port_of(fd);
	log_info("Using %d port", *ret_port);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int begin(struct page_link *l, int *fd, const struct options *opt, bool serves,
		 struct err *e)
{
	l->fd = take_fd(fd);
	l->tls = NULL;
	l->out_count = 0;
	l->out = malloc(OUT);
	fcntl(l->fd, F_SETFL, fcntl(l->fd, F_GETFL) | O_NONBLOCK);
	watch_over(l->fd);
	if (!l->out)
		err_sys(e, "memory for a connection");
	/* Whoever has passed it has made it safe; a server takes TLS there as well. */
	else if (opt->pages.tls && (serves || opt->pages.socket < 0))
		(void)!tls_begin(l, opt, serves, e);
	if (e->code)
		link_drop(l);
	return e->code;
}

static int pass_socket(struct page_link *l, const struct options *opt, bool serves, struct err *e)
{
	own_fd fd = fcntl(opt->pages.socket, F_DUPFD_CLOEXEC, 3);
	int type = 0;
	socklen_t size = sizeof(type);

	snprintf(l->name, sizeof(l->name), "the socket of --ps-socket");
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return err_sys(e, "%s", l->name);
	if (type != SOCK_STREAM)
		return err_say(e, "%s is no stream", l->name);
	if (opt->address || opt->pages.port)
		log_warn("--address and --port mean nothing to --ps-socket");
	return begin(l, &fd, opt, serves, e);
}

/* A connection of a socket that does not wait. */
static int try_address(struct page_link *l, const struct addrinfo *a, struct err *e)
{
	own_fd fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed = 0;
	socklen_t size = sizeof(failed);

	if (fd < 0)
		return err_sys(e, "make a socket");
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		return err_sys(e, "connect to %s", l->name);
	l->fd = fd;
	if (link_wait(l, POLLOUT, true, e) < 0)
		return e->code;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0 || failed) {
		errno = failed;
		return err_sys(e, "connect to %s", l->name);
	}
	take_fd(&fd);
	return 0;
}

int link_connect(struct page_link *l, const struct options *opt, struct err *e)
{
	struct addrinfo *all, *a;
	own_fd fd = -1;

	l->fd = -1;
	if (opt->pages.socket >= 0)
		return pass_socket(l, opt, false, e);
	if (!opt->address)
		return err_say(e, "option '--address' is missing: where the page server is");
	snprintf(l->name, sizeof(l->name), "'%.64s', port %d", opt->address, opt->pages.port);
	if (find_address(opt, false, &all, e) < 0)
		return e->code;
	for (a = all; a; a = a->ai_next) {
		*e = (struct err){ 0 };
		if (try_address(l, a, e) == 0)
			break;
		l->fd = -1;
	}
	if (a && !is_loopback(a->ai_addr) && !opt->pages.tls)
		log_warn("pages go to %s as they are: without --tls anybody on the way can read "
			 "them",
			 l->name);
	freeaddrinfo(all);
	if (e->code) {
		if (e->code != -EINTR)
			err_hint(e, "is the page server running?");
		return e->code;
	}
	fd = l->fd;
	return begin(l, &fd, opt, false, e);
}

int link_accept(struct page_link *l, int listener, const struct options *opt, struct err *e)
{
	own_fd fd = -1;

	if (listener < 0)
		return pass_socket(l, opt, true, e);
	snprintf(l->name, sizeof(l->name), "the other side");
	while (fd < 0) {
		l->fd = listener;
		if (link_wait(l, POLLIN, false, e) < 0)
			break;
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
			err_sys(e, "accept a connection");
			break;
		}
	}
	l->fd = -1;
	return e->code ? e->code : begin(l, &fd, opt, true, e);
}

int link_wait(struct page_link *l, short events, bool patiently, struct err *e)
{
	uint64_t since = io_now_us();

	for (;;) {
		struct pollfd p = { .fd = l->fd, .events = events };
		int n = poll(&p, 1, LOOK_MS);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_sys(e, "wait for %s", l->name);
		if (l->go_on && l->go_on(l->arg, e) < 0)
			return e->code;
		if (patiently && l->patience &&
		    io_now_us() - since > (uint64_t)l->patience * 1000000)
			return err_code(e, ETIMEDOUT, "%s does nothing for %u seconds", l->name,
					l->patience);
	}
}

static int say_error(const struct page_link *l, ssize_t r, const char *what, struct err *e)
{
	if (l->tls && r == -EPROTO)
		return err_code(e, EPROTO, "%s: TLS: %s", l->name, tls_words(l));
	err_res(e, r, "%s %s", what, l->name);
	return err_hint(e, "its log may say why");
}

static ssize_t send_some(struct page_link *l, const void *data, size_t size, short *ret_events)
{
	ssize_t r;

	if (l->tls)
		return tls_write(l, data, size, ret_events);
	r = send(l->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	*ret_events = POLLOUT;
	return r < 0 ? -errno : r;
}

static int send_all(struct page_link *l, const char *data, size_t size, struct err *e)
{
	while (size) {
		short events;
		ssize_t r = send_some(l, data, size, &events);

		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			if (link_wait(l, events, true, e) < 0)
				return e->code;
			continue;
		}
		if (r < 0)
			return say_error(l, r, "send to", e);
		data += r;
		size -= r;
	}
	return 0;
}

int link_flush(struct page_link *l, struct err *e)
{
	size_t size = l->out_count;

	l->out_count = 0;
	return size ? send_all(l, l->out, size, e) : 0;
}

int link_write(struct page_link *l, const void *data, size_t size, struct err *e)
{
	if (l->out_count + size > OUT && link_flush(l, e) < 0)
		return e->code;
	if (size >= OUT)
		return send_all(l, data, size, e);
	memcpy(l->out + l->out_count, data, size);
	l->out_count += size;
	return 0;
}

static ssize_t receive_some(struct page_link *l, void *buf, size_t size, short *ret_events)
{
	ssize_t r;

	if (l->tls)
		return tls_read(l, buf, size, ret_events);
	r = recv(l->fd, buf, size, MSG_DONTWAIT);
	*ret_events = POLLIN;
	return r < 0 ? -errno : r;
}

/* How many bytes came before the other side ended. first: they are waited for without end. */
static ssize_t receive(struct page_link *l, char *buf, size_t size, bool first, struct err *e)
{
	size_t got = 0;

	while (got < size) {
		short events;
		ssize_t r = receive_some(l, buf + got, size - got, &events);

		if (r == 0)
			break;
		if (r == -EINTR)
			continue;
		if (r == -EAGAIN) {
			if (link_wait(l, events, !first || got, e) < 0)
				return got && e->code == -ETIMEDOUT ?
					       err_on(e, "after %zu of %zu bytes", got, size) :
					       e->code;
			continue;
		}
		if (r < 0)
			return say_error(l, r, "hear from", e);
		got += r;
	}
	return (ssize_t)got;
}

static int cut_short(const struct page_link *l, size_t got, size_t size, struct err *e)
{
	err_code(e, EPIPE, "%s has ended after %zu of %zu bytes", l->name, got, size);
	return err_hint(e, "its log may say why");
}

int link_read(struct page_link *l, void *buf, size_t size, struct err *e)
{
	ssize_t got = link_flush(l, e) < 0 ? e->code : receive(l, buf, size, false, e);

	if (got < 0)
		return e->code;
	return (size_t)got < size ? cut_short(l, got, size, e) : 0;
}

int link_read_first(struct page_link *l, void *buf, size_t size, struct err *e)
{
	ssize_t got = link_flush(l, e) < 0 ? e->code : receive(l, buf, size, true, e);

	if (got <= 0)
		return (int)got;
	return (size_t)got < size ? cut_short(l, got, size, e) : 1;
}

void link_drop(struct page_link *l)
{
	tls_drop(l);
	own_close(&l->fd);
	l->fd = -1;
	free(l->out);
	l->out = NULL;
	l->out_count = 0;
}

void link_close(struct page_link *l)
{
	struct err ignored = { 0 };

	if (l->fd < 0)
		return;
	if (l->out)
		(void)!link_flush(l, &ignored);
	tls_end(l);
	link_drop(l);
}
