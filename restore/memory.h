/*
 * Memory of a restore. A task's private pages are read by its own runner (preadv straight into place);
 * kinds (restore/mm) add the entries that map what they know.
 */
#ifndef STASIS_RESTORE_MEMORY_H
#define STASIS_RESTORE_MEMORY_H

#include "restore/restore.h"

struct vma_restore_kind {
	const char *name;
	bool (*match)(const VmaEntry *v);
	/* Once, before any task exists: loads images, checks them. May be NULL. */
	int (*load)(struct restore *r, struct err *e);
	/* Once, in the coordinator, before any task exists: makes objects and fills them (memfd, SysV). May be NULL. */
	int (*prepare)(struct restore *r, struct err *e);
	/*
	 * Entries that map v at its place (MAP_FIXED; nothing else is there). If fill, private pages are going to be
	 * read into it, so it has to be writable; the caller sets the final protection, madvise and mlock afterwards
	 * where needs_finish says so.
	 */
	int (*map)(struct rtask *t, const VmaEntry *v, bool fill, struct plan *p, struct err *e);
	/* Entries after pages have been read, protections set (AIO). May be NULL. */
	int (*after)(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *e);
	bool inherits; /* private memory that a child may take over from its parent by fork */
	/* Once, when everything is mapped everywhere: seals. May be NULL. */
	int (*done)(struct restore *r, struct err *e);
};

extern const struct vma_restore_kind *const vma_restore_kinds[];
extern const size_t vma_restore_kind_count;

/*
 * The number of a descriptor in task t of our descriptor fd (or of file id), fetched by entries of p. Valid
 * until memory_forget(); the same id is fetched once. The result is to be used as an argument of further entries.
 */
struct plan_arg memory_fetch(struct rtask *t, int our_fd, struct plan *p);
/* Adds the closing of a descriptor fetched in the same plan. */
void memory_drop(struct rtask *t, struct plan_arg fd, struct plan *p);

#endif
