/*
 * What netlink answers: which socket a descriptor is, in words. The only file that knows libnl is
 * netlink.c; the probes of netlink features (kernel_probes.h) are there too.
 */
#ifndef STASIS_LIB_NETLINK_H
#define STASIS_LIB_NETLINK_H

#include <stddef.h>

/*
 * Names the socket behind one of our descriptors (a duplicate of the target's will do) for a
 * sentence: "tcp 127.0.0.1:80 listening", "unix stream '/run/x'", "unix stream without a name,
 * peer inode 4711". Says what it finds and never fails; returns buf's length as snprintf does.
 */
int netlink_socket_describe(int fd, char *buf, size_t size);

#endif
