/* Settings of network interfaces; see net_conf.h. */
#include "lib/net_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/own.h"
#include "lib/rtnl.h"

#define CONF4(file, number) { #file, IPV4_DEVCONF_##number - 1, 1 },
#define CONF6(file, number, scale)
static const struct net_conf_name four[] = {
#include "lib/net_conf.def"
};
#undef CONF4
#undef CONF6

#define CONF4(file, number)
#define CONF6(file, number, scale) { #file, DEVCONF_##number, scale },
static const struct net_conf_name six[] = {
#include "lib/net_conf.def"
};
#undef CONF4
#undef CONF6

const struct net_conf_name *const net_conf_names[] = { four, six };
const size_t net_conf_counts[] = { ARRAY_SIZE(four), ARRAY_SIZE(six) };

_Static_assert(ARRAY_SIZE(four) <= CONF_MAX && ARRAY_SIZE(six) <= CONF_MAX, "room for all");

bool net_conf_get(const struct nlmsghdr *link, int family, size_t i, int *ret)
{
	const struct net_conf_name *n = &net_conf_names[family][i];
	const struct rtattr *all = rtnl_find(link, sizeof(struct ifinfomsg), IFLA_AF_SPEC);
	const struct rtattr *a = rtnl_find_in(all, family == CONF_V4 ? AF_INET : AF_INET6);
	size_t at = sizeof(int) * (size_t)n->index;

	a = rtnl_find_in(a, family == CONF_V4 ? (int)IFLA_INET_CONF : (int)IFLA_INET6_CONF);
	if (!n->scale || !a || RTA_PAYLOAD(a) < at + sizeof(int))
		return false;
	memcpy(ret, (const char *)RTA_DATA(a) + at, sizeof(int));
	*ret /= n->scale;
	return true;
}

static int read_file(const char *path, char *buf, size_t size)
{
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return -errno;
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return 0;
}

static int write_file(const char *path, const char *text)
{
	own_fd fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static void conf_path(char path[256], int family, const char *device, const char *name)
{
	snprintf(path, 256, "/proc/sys/net/ipv%d/conf/%s/%s", family == CONF_V4 ? 4 : 6, device,
		 name);
}

int net_conf_read(int family, const char *device, const char *name, char *buf, size_t size)
{
	char path[256];

	conf_path(path, family, device, name);
	return read_file(path, buf, size);
}

int net_conf_write(int family, const char *device, const char *name, const char *text)
{
	char path[256];

	conf_path(path, family, device, name);
	return write_file(path, text);
}

int net_sysctl_read(const char *name, char *buf, size_t size)
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	return read_file(path, buf, size);
}

int net_sysctl_write(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	return write_file(path, text);
}
