/*
 * Settings of network interfaces (net/ipv4/conf, net/ipv6/conf) of the namespace that we are in: netlink tells all numbers of an interface at
 * once; those of 'all' and 'default', and texts, are read and written by their files.
 */
#ifndef STASIS_LIB_NET_CONF_H
#define STASIS_LIB_NET_CONF_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

enum { CONF_V4, CONF_V6, CONF_FAMILIES };
enum { CONF_MAX = 42 };

struct net_conf_name {
	const char *name;
	int index; /* in netlink's array */
	int scale; /* 0: it is a text */
};

/* In the order of the images (lib/net_conf.def). */
extern const struct net_conf_name *const net_conf_names[CONF_FAMILIES];
extern const size_t net_conf_counts[CONF_FAMILIES];

/* False: not known to this kernel. */
bool net_conf_get(const struct nlmsghdr *link, int family, size_t i, int *ret);
/* From the file. -errno; of those that the kernel does not have -ENOENT. */
int net_conf_read(int family, const char *device, const char *name, char *buf, size_t size);
int net_conf_write(int family, const char *device, const char *name, const char *text);
/* A file below /proc/sys/net, without its last newline. */
int net_sysctl_read(const char *name, char *buf, size_t size);
int net_sysctl_write(const char *name, const char *text);

#endif
