/* Raw sockets, and those of ICMP (ping), which only groups of net.ipv4.ping_group_range may make, whatever else one may. */
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "restore/fd/inetsk.h"

enum { FILTER_WORDS = 8 };

static int make(const InetSkEntry *sk)
{
	return socket(sk->family, sk->type | SOCK_CLOEXEC, sk->proto);
}

/* As one of the group, this thread alone, for a moment. */
static int make_as_group(const InetSkEntry *sk, struct err *e)
{
	own_mem char *text = NULL;
	unsigned int low = 1, high = 0;
	gid_t ours = getegid();
	size_t size;
	int fd;

	if (io_slurp(AT_FDCWD, "/proc/sys/net/ipv4/ping_group_range", &text, &size, e) < 0)
		return e->code;
	if (sscanf(text, "%u %u", &low, &high) != 2 || low > high) {
		err_code(e, EACCES, "nobody may make a socket for ICMP here");
		return err_hint(e, "set the sysctl net.ipv4.ping_group_range");
	}
	if (syscall(SYS_setresgid, -1, low, -1) < 0)
		return err_sys(e, "become one of group %u, which may make a socket for ICMP", low);
	fd = make(sk);
	if (fd < 0)
		err_sys(e, "make a socket");
	if (syscall(SYS_setresgid, -1, ours, -1) < 0)
		return err_sys(e, "become one of group %u again", ours);
	return fd < 0 ? e->code : fd;
}

int rinet_socket(const InetSkEntry *sk, struct err *e)
{
	int fd = make(sk);

	if (fd >= 0)
		return fd;
	if (errno == EACCES && sk->type == SOCK_DGRAM)
		return make_as_group(sk, e);
	return err_sys(e, "make a socket");
}

static int set(int fd, int level, int name, int value, struct err *e)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ?
		       err_sys(e, "set option %d of level %d", name, level) :
		       0;
}

int rinet_set_raw(const struct rinet *s, struct err *e)
{
	const IpOptsRawEntry *raw = s->entry->ip_opts->raw;
	bool six = s->entry->family == AF_INET6;
	int hdrincl = raw && raw->hdrincl;

	if (!raw || s->entry->type != SOCK_RAW)
		return 0;
	if (raw->n_icmpv_filter > FILTER_WORDS)
		return err_say(e, "its filter has %zu words", raw->n_icmpv_filter);
	if ((hdrincl || s->entry->proto == IPPROTO_RAW) &&
	    set(s->fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_HDRINCL : IP_HDRINCL, hdrincl,
		e) < 0)
		return e->code;
	if (raw->nodefrag && set(s->fd, IPPROTO_IP, IP_NODEFRAG, 1, e) < 0)
		return e->code;
	if (raw->n_icmpv_filter && setsockopt(s->fd, six ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_RAW,
					      six ? ICMPV6_FILTER : ICMP_FILTER, raw->icmpv_filter,
					      raw->n_icmpv_filter * sizeof(uint32_t)) < 0)
		return err_sys(e, "set its filter");
	return 0;
}
