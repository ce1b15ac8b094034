/*
 * The probes of kernel.def, and what they have in common. Each returns true if the feature is
 * there.
 */
#ifndef STASIS_LIB_KERNEL_PROBES_H
#define STASIS_LIB_KERNEL_PROBES_H

#include <stdbool.h>
#include <sys/types.h>

#define FEATURE(id, name, probe, class, cost) bool probe(void);
#include "lib/kernel.def"
#undef FEATURE

/* Asks in a child, for what changes the process that asks: namespaces, credentials, mappings. */
bool probe_in_child(bool (*ask)(void));
/*
 * Asks about a child that is seized and stopped. prepare runs in the child before; NULL: nothing
 * to do.
 */
bool probe_stopped_child(bool (*prepare)(void), bool (*ask)(pid_t pid));
/* In a child with a network namespace of its own whose loopback is up. */
bool probe_in_netns(bool (*ask)(void));
/* In a child with a mount namespace of its own and an empty tmpfs as current directory. */
bool probe_on_tmpfs(bool (*ask)(void));
/* True if the file can be read and holds the text. */
bool probe_file_holds(const char *path, const char *text);
/* The same for fdinfo of one of our descriptors. */
bool probe_fdinfo_holds(int fd, const char *text);

#endif
