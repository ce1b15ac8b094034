/*
 * Options of sockets. They are asked from a copy of the descriptor; none of these questions changes anything.
 *
 * The classic program of a filter can be had, that of an extended one cannot, so those are refused.
 */
#include "dump/sk_opts.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

int sk_opts_number(int fd, int option, int *ret, struct err *e)
{
	socklen_t size = sizeof(*ret);

	*ret = 0;
	return getsockopt(fd, SOL_SOCKET, option, ret, &size) < 0 ?
		       err_sys(e, "ask for socket option %d", option) :
		       0;
}

/* Options that are fields of the message: flags and plain numbers. */
struct field {
	int option;
	size_t has, value; /* where it goes */
	bool flag;	   /* a bool there, else a number */
	bool may_miss;	   /* this kernel or family may not know it */
};

#define FIELD(name) offsetof(SkOptsEntry, has_##name), offsetof(SkOptsEntry, name)

static const struct field fields[] = {
	{ SO_REUSEADDR, FIELD(reuseaddr), true, false },
	{ SO_PRIORITY, FIELD(so_priority), false, false },
	{ SO_RCVLOWAT, FIELD(so_rcvlowat), false, false },
	{ SO_MARK, FIELD(so_mark), false, false },
	{ SO_DONTROUTE, FIELD(so_dontroute), true, false },
	{ SO_NO_CHECK, FIELD(so_no_check), true, false },
	{ SO_REUSEPORT, FIELD(so_reuseport), true, true },
	{ SO_BROADCAST, FIELD(so_broadcast), true, false },
	{ SO_KEEPALIVE, FIELD(so_keepalive), true, false },
	{ SO_OOBINLINE, FIELD(so_oobinline), false, false },
	{ SO_BUF_LOCK, FIELD(so_buf_lock), false, true },
	{ SO_PASSCRED, FIELD(so_passcred), true, true },
	{ SO_PASSSEC, FIELD(so_passsec), true, true },
};

static int read_field(int fd, const struct field *f, SkOptsEntry *ret, struct err *e)
{
	struct err unknown = { 0 };
	int value;

	if (sk_opts_number(fd, f->option, &value, f->may_miss ? &unknown : e) < 0)
		return f->may_miss ? 0 : e->code;
	if (f->option == SO_MARK && !value)
		return 0;
	*(protobuf_c_boolean *)((char *)ret + f->has) = 1;
	if (f->flag)
		*(protobuf_c_boolean *)((char *)ret + f->value) = value != 0;
	else
		*(uint32_t *)((char *)ret + f->value) = value;
	return 0;
}

static int read_sizes(int fd, SkOptsEntry *ret, struct err *e)
{
	int sending, receiving;

	if (sk_opts_number(fd, SO_SNDBUF, &sending, e) < 0 ||
	    sk_opts_number(fd, SO_RCVBUF, &receiving, e) < 0)
		return e->code;
	ret->so_sndbuf = sending;
	ret->so_rcvbuf = receiving;
	return 0;
}

static int read_times(int fd, SkOptsEntry *ret, struct err *e)
{
	struct timeval sending, receiving;
	socklen_t a = sizeof(sending), b = sizeof(receiving);

	if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &sending, &a) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receiving, &b) < 0)
		return err_sys(e, "ask for its timeouts");
	ret->so_snd_tmo_sec = sending.tv_sec;
	ret->so_snd_tmo_usec = sending.tv_usec;
	ret->so_rcv_tmo_sec = receiving.tv_sec;
	ret->so_rcv_tmo_usec = receiving.tv_usec;
	return 0;
}

static int read_linger(int fd, SkOptsEntry *ret, struct err *e)
{
	struct linger linger;
	socklen_t size = sizeof(linger);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) < 0)
		return err_sys(e, "ask how long it lingers");
	ret->has_so_linger = linger.l_onoff != 0;
	ret->so_linger = linger.l_linger;
	return 0;
}

/* The kernel counts in instructions here. */
static int read_filter(struct dump *d, int fd, SkOptsEntry *ret, struct err *e)
{
	socklen_t count = 0;
	struct sock_filter *code;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0) {
		err_sys(e, "read its filter");
		return e->code == -EACCES ?
			       err_code(e, ENOTSUP,
					"it has an extended BPF program for a filter, which is "
					"not supported") :
			       e->code;
	}
	if (!count)
		return 0;
	code = pool_array(&d->pool, struct sock_filter, count);
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, code, &count) < 0)
		return err_sys(e, "read its filter");
	ret->so_filter = pool_array(&d->pool, uint64_t, count);
	ret->n_so_filter = count;
	for (size_t i = 0; i < count; i++)
		ret->so_filter[i] = (uint64_t)code[i].code << 48 | (uint64_t)code[i].jt << 40 |
				    (uint64_t)code[i].jf << 32 | code[i].k;
	return 0;
}

/* The interface that it is bound to, which families without any have none of. */
static void read_device(struct dump *d, int fd, SkOptsEntry *ret)
{
	char name[IFNAMSIZ] = "";
	socklen_t size = sizeof(name);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0 && size && name[0])
		ret->so_bound_dev = pool_text(&d->pool, name);
}

int sk_opts_read(struct dump *d, int fd, SkOptsEntry **ret, struct err *e)
{
	SkOptsEntry *opts = pool_new(&d->pool, SkOptsEntry);

	sk_opts_entry__init(opts);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (read_field(fd, &fields[i], opts, e) < 0)
			return e->code;
	if (read_sizes(fd, opts, e) < 0 || read_times(fd, opts, e) < 0 ||
	    read_linger(fd, opts, e) < 0 || read_filter(d, fd, opts, e) < 0)
		return e->code;
	read_device(d, fd, opts);
	*ret = opts;
	return 0;
}
