/*
 * What the kernel notes the caller of is done by a process that is made for it: with the number, the ids, the root and
 * the current directory that are to be noted. It shares our descriptors, and is gone when the call is done.
 *
 * The number is free by then for the task that is to have it. If another process has it, ours has another one.
 */
#ifndef STASIS_RESTORE_ACTOR_H
#define STASIS_RESTORE_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct actor {
	int pid; /* 0: any */
	bool has_ids;
	uint32_t uid, gid;
	const uint32_t *groups;
	size_t group_count;
	int root;	 /* a descriptor, -1: ours */
	const char *dir; /* below that root, NULL: the root, or ours */
};

/* The result of act(arg), 0 or -errno. *ret_other (may be NULL): it had another number. */
int actor_do(const struct actor *a, int (*act)(void *arg), void *arg, bool *ret_other);

#endif
