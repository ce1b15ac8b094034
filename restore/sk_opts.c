/* Options of sockets. Sizes of buffers come back doubled from the kernel, and are halved before they are set. */
#include "restore/sk_opts.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "lib/own.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

enum { FILTER_MAX = 4096, ROOM = 1 << 30 };

int sk_opts_set_number(int fd, int option, int value, struct err *e)
{
	socklen_t size = sizeof(int);
	int now;

	if (getsockopt(fd, SOL_SOCKET, option, &now, &size) == 0 && now == value)
		return 0;
	return setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)) < 0 ?
		       err_sys(e, "set socket option %d to %d", option, value) :
		       0;
}

void sk_opts_make_room(int fd)
{
	int size = ROOM;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int set_size(int fd, int option, int force, uint32_t wanted, struct err *e)
{
	int half = wanted / 2, now;
	socklen_t size = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, option, &now, &size) == 0 && now == (int)wanted)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, force, &half, sizeof(half)) < 0 &&
	    setsockopt(fd, SOL_SOCKET, option, &half, sizeof(half)) < 0)
		return err_sys(e, "set the size of its buffers to %u", wanted);
	return 0;
}

static int set_sizes(int fd, const SkOptsEntry *opts, struct err *e)
{
	int unlocked;
	socklen_t size = sizeof(unlocked);

	if (set_size(fd, SO_SNDBUF, SO_SNDBUFFORCE, opts->so_sndbuf, e) < 0 ||
	    set_size(fd, SO_RCVBUF, SO_RCVBUFFORCE, opts->so_rcvbuf, e) < 0)
		return e->code;
	/* To have set a size is remembered as well, from Linux 5.14 on. */
	if (getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &unlocked, &size) < 0)
		return 0;
	return sk_opts_set_number(fd, SO_BUF_LOCK, opts->has_so_buf_lock ? opts->so_buf_lock : 0,
				  e);
}

static int set_time(int fd, int option, uint64_t sec, uint64_t usec, struct err *e)
{
	struct timeval time = { sec, usec };

	if (!sec && !usec)
		return 0;
	return setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)) < 0 ?
		       err_sys(e, "set its timeout of %lu.%06lu s", sec, usec) :
		       0;
}

static int set_filter(int fd, const SkOptsEntry *opts, struct err *e)
{
	own_mem struct sock_filter *code = NULL;
	struct sock_fprog program;

	if (!opts->n_so_filter)
		return 0;
	if (opts->n_so_filter > FILTER_MAX)
		return err_say(e, "the images have a filter of %zu instructions",
			       opts->n_so_filter);
	code = calloc(opts->n_so_filter, sizeof(*code));
	if (!code)
		return err_sys(e, "memory for its filter");
	for (size_t i = 0; i < opts->n_so_filter; i++) {
		uint64_t one = opts->so_filter[i];

		code[i] = (struct sock_filter){ one >> 48, one >> 40, one >> 32, one };
	}
	program = (struct sock_fprog){ opts->n_so_filter, code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ?
		       err_sys(e, "set its filter") :
		       0;
}

static int set_linger(int fd, const SkOptsEntry *opts, struct err *e)
{
	struct linger linger = { 1, opts->so_linger };

	if (!opts->has_so_linger)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0 ?
		       err_sys(e, "set how long it lingers") :
		       0;
}

static int set_numbers(int fd, const SkOptsEntry *o, struct err *e)
{
	const struct {
		int option;
		bool has;
		uint32_t value;
	} all[] = {
		{ SO_REUSEADDR, o->has_reuseaddr, o->reuseaddr },
		{ SO_PRIORITY, o->has_so_priority, o->so_priority },
		{ SO_RCVLOWAT, o->has_so_rcvlowat, o->so_rcvlowat },
		{ SO_MARK, o->has_so_mark, o->so_mark },
		{ SO_PASSCRED, o->has_so_passcred, o->so_passcred },
		{ SO_PASSSEC, o->has_so_passsec, o->so_passsec },
		{ SO_DONTROUTE, o->has_so_dontroute, o->so_dontroute },
		{ SO_NO_CHECK, o->has_so_no_check, o->so_no_check },
		{ SO_REUSEPORT, o->has_so_reuseport, o->so_reuseport },
		{ SO_BROADCAST, o->has_so_broadcast, o->so_broadcast },
		{ SO_KEEPALIVE, o->has_so_keepalive, o->so_keepalive },
		{ SO_OOBINLINE, o->has_so_oobinline, o->so_oobinline },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].has && sk_opts_set_number(fd, all[i].option, all[i].value, e) < 0)
			return e->code;
	return 0;
}

int sk_opts_set_device(int fd, const SkOptsEntry *opts, struct err *e)
{
	const char *name = opts->so_bound_dev;
	char now[IFNAMSIZ] = "";
	socklen_t size = sizeof(now);

	if (!name || (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, now, &size) == 0 &&
		      strncmp(now, name, IFNAMSIZ) == 0))
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name) + 1) < 0 ?
		       err_sys(e, "bind it to the interface '%s'", name) :
		       0;
}

int sk_opts_set(int fd, const SkOptsEntry *opts, struct err *e)
{
	if (sk_opts_set_device(fd, opts, e) < 0 || set_numbers(fd, opts, e) < 0 ||
	    set_sizes(fd, opts, e) < 0 ||
	    set_time(fd, SO_SNDTIMEO, opts->so_snd_tmo_sec, opts->so_snd_tmo_usec, e) < 0 ||
	    set_time(fd, SO_RCVTIMEO, opts->so_rcv_tmo_sec, opts->so_rcv_tmo_usec, e) < 0 ||
	    set_linger(fd, opts, e) < 0)
		return e->code;
	return set_filter(fd, opts, e);
}
