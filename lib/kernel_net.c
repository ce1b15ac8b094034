/* Probes of what concerns sockets; those that talk netlink are in netlink.c. */
#include "lib/kernel_probes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/own.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

static int socket_of(int family, int type)
{
	return socket(family, type | SOCK_CLOEXEC, 0);
}

/* An option that can be set to what it is. */
static bool can_set(int fd, int level, int option)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, level, option, &value, &size) == 0 &&
	       setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

bool probe_sk_peek_off(void)
{
	own_fd fd = socket_of(AF_UNIX, SOCK_DGRAM);

	return can_set(fd, SOL_SOCKET, SO_PEEK_OFF);
}

bool probe_sockopt_buf_lock(void)
{
	own_fd fd = socket_of(AF_UNIX, SOCK_DGRAM);

	return can_set(fd, SOL_SOCKET, SO_BUF_LOCK);
}

bool probe_ipv6_freebind(void)
{
	own_fd fd = socket_of(AF_INET6, SOCK_DGRAM);

	return can_set(fd, IPPROTO_IPV6, IPV6_FREEBIND);
}

bool probe_so_get_filter(void)
{
	own_fd fd = socket_of(AF_INET, SOCK_DGRAM);
	struct sock_filter filter;
	socklen_t count = 0;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &filter, &count) == 0;
}

bool probe_so_bindtodevice(void)
{
	own_fd fd = socket_of(AF_INET, SOCK_DGRAM);
	char name[IFNAMSIZ];
	socklen_t size = sizeof(name);

	return getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &size) == 0;
}

static bool repair_on(int fd)
{
	int on = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) == 0;
}

bool probe_tcp_repair(void)
{
	own_fd fd = socket_of(AF_INET, SOCK_STREAM);

	return repair_on(fd);
}

static bool repair_half_closed(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t size = sizeof(here);
	own_fd listening = socket_of(AF_INET, SOCK_STREAM);
	own_fd fd = socket_of(AF_INET, SOCK_STREAM);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(listening, (struct sockaddr *)&here, size) == 0 && listen(listening, 1) == 0 &&
	       getsockname(listening, (struct sockaddr *)&here, &size) == 0 &&
	       connect(fd, (struct sockaddr *)&here, size) == 0 && shutdown(fd, SHUT_WR) == 0 &&
	       repair_on(fd);
}

bool probe_tcp_half_closed(void)
{
	return probe_in_netns(repair_half_closed);
}

bool probe_sk_ns(void)
{
	own_fd fd = socket_of(AF_UNIX, SOCK_DGRAM);
	own_fd ns = ioctl(fd, SIOCGSKNS);

	return ns >= 0;
}

/* A socket that is not bound has no file, and only a kernel that knows the question says so. */
bool probe_sk_unix_file(void)
{
	own_fd fd = socket_of(AF_UNIX, SOCK_DGRAM);

	return ioctl(fd, SIOCUNIXFILE) < 0 && errno == ENOENT;
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	own_mem char *copy = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	char *dir, *rest, full[PATH_MAX];

	for (dir = copy ? strtok_r(copy, ":", &rest) : NULL; dir;
	     dir = strtok_r(NULL, ":", &rest)) {
		snprintf(full, sizeof(full), "%s/%s", dir, program);
		if (access(full, X_OK) == 0)
			return true;
	}
	return false;
}

bool probe_ipt_legacy(void)
{
	return in_path("iptables-legacy-save") && in_path("ip6tables-legacy-save");
}
