/* What is the same for every thread of a dump, asked once. */
#ifndef STASIS_DUMP_MACHINE_H
#define STASIS_DUMP_MACHINE_H

#include "dump/dump.h"
#include "images/xstate.h"

struct machine {
	struct xstate_layout xstate;
	int caps;	 /* how many capabilities the kernel has */
	long processors; /* online */
	size_t node_bytes; /* of a set of NUMA nodes, whole words; 0: the kernel knows none */
	char label[512]; /* our own security label, "" without a security module */
};

const struct machine *machine_of(struct dump *d);
/* The label of a thread from attr/current below dir (a directory of /proc); "" if there is none. */
void machine_read_label(int dir, const char *path, char *ret, size_t size);

#endif
