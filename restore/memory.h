/*
 * Memory of a restore. A task's private pages are read by its own runner (preadv straight into place);
 * kinds (restore/mm) add the entries that map what they know.
 */
#ifndef STASIS_RESTORE_MEMORY_H
#define STASIS_RESTORE_MEMORY_H

#include "images/pages.h"
#include "restore/restore.h"
#include "restore/unpack.h"

struct vma_restore_kind {
	const char *name;
	bool (*match)(const VmaEntry *v);
	/* Once, before any task exists: loads images, checks them. May be NULL. */
	int (*load)(struct restore *r, struct err *e);
	/* Once, when page maps of all tasks are loaded: may change the status of mappings. May be NULL. */
	int (*pages_known)(struct restore *r, struct err *e);
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
	/* Once per task, before its mappings: entries that are about none of them. May be NULL. */
	int (*task)(struct rtask *t, struct plan *p, struct err *e);
	/* Once, when everything is mapped everywhere: seals. May be NULL. */
	int (*done)(struct restore *r, struct err *e);
	/* Once, at the very end, however it went: lets go of what it has, and, if it failed, removes what it made. */
	void (*close)(struct restore *r, bool failed);
};

extern const struct vma_restore_kind *const vma_restore_kinds[];
extern const size_t vma_restore_kind_count;

/*
 * The number that our descriptor our_fd has in task t while the plan runs: the first call of a plan adds the entry that
 * fetches it, further ones give the same. It is for the entries right behind: a later fetch may close it. Our descriptor
 * has to stay open until the plan has run.
 */
struct plan_arg memory_fetch(struct rtask *t, int our_fd, struct plan *p);
/* Adds the closing of everything that was fetched in this plan. To be called once, at its end. */
void memory_forget(struct rtask *t, struct plan *p);

/* Loads the page maps of all tasks. */
must_check int memory_load(struct restore *r, struct err *e);
/* Whether the task takes over private pages from its parent; asked before anything is made. */
bool memory_inherits(const struct rtask *t);
/* Puts the memory of one task in place, or of all that do not have theirs yet. */
must_check int memory_restore(struct rtask *t, struct err *e);
must_check int memory_restore_all(struct restore *r, struct err *e);
void memory_close(struct restore *r, bool failed);

/* For restore/memory_fill.c: which mapping of the parent a mapping of an heir is already there as, NULL: none. */
const VmaEntry *memory_inherited(const struct rtask *t, const VmaEntry *v);

/* The result that an entry must have, looked at when the plan has run: a short read is no error to the runner. */
struct expected {
	int entry;
	int64_t result;
};
struct expectations {
	struct expected *all;
	size_t count;
	struct unpack *packed; /* what is to be put into place between mapping and protecting */
	bool waits;	       /* there is some of this task */
};
/* Adds the reading of a task's private pages; counts into restore_stats. */
must_check int memory_fill(struct rtask *t, struct plan *p, struct expectations *x, struct err *e);
/* Whether pages are going to be read into the mapping, now or later: it has to be writable once, to be accounted as it was. */
bool memory_fills(const struct rtask *t, const VmaEntry *v);
/* Entries that memory_fill needs at most. */
uint32_t memory_fill_room(const struct rtask *t);

#endif
