/* Lists of sockets, as the kernel tells them (sock_diag), of our own network namespace. */
#ifndef STASIS_LIB_SOCK_DIAG_H
#define STASIS_LIB_SOCK_DIAG_H

#include <linux/netlink.h>
#include <stddef.h>

/* One socket: the family's message, with attributes behind it. */
typedef void (*sock_diag_fn)(const void *message, size_t size, void *arg);

/* Asks for all sockets that match the family's request. 0, or -errno: -ENOENT where the kernel does not know the family. */
int sock_diag_list(const void *request, size_t size, sock_diag_fn each, void *arg);
/* The attribute of this type behind a head of that size; NULL: none. */
const struct nlattr *sock_diag_attribute(const void *message, size_t size, size_t head, int type);
/* Its contents, when they are at least so large; else NULL. */
const void *sock_diag_data(const struct nlattr *attribute, size_t at_least);

#endif
