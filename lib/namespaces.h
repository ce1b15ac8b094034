/* The kinds of namespaces, and what the images call those of the dumper. */
#ifndef STASIS_LIB_NAMESPACES_H
#define STASIS_LIB_NAMESPACES_H

#include <stddef.h>
#include <stdint.h>

struct namespace_kind {
	const char *name; /* below /proc/PID/ns */
	uint32_t flag;	  /* CLONE_NEW* */
	uint32_t own_id;  /* of the dumper's: they get the first numbers, in this order */
};

extern const struct namespace_kind namespace_kinds[];
extern const size_t namespace_kind_count;

#endif
