/*
 * Descriptors at restore. The coordinator makes every description (fd_restore_kind.make) in its own
 * table; each task then fetches what it needs by pidfd_getfd and puts it under its number.
 */
#ifndef STASIS_RESTORE_FILES_H
#define STASIS_RESTORE_FILES_H

#include "restore/restore.h"

struct fd_restore_kind {
	const char *name;
	FdTypes type;
	/* Once: loads images of the kind (pipes-data, tty-info). */
	int (*load)(struct restore *r, struct err *e);
	/* Makes the description in our table; needs no other descriptor. O_CLOEXEC. */
	int (*make)(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e);
	/* All descriptions are made and in place: entries in a task that has it (fd: its number there). */
	int (*join)(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e);
	/* With everybody stopped, as late as possible: arm timers, leave TCP repair. */
	int (*late)(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e);
};

extern const struct fd_restore_kind *const fd_restore_kinds[];
extern const size_t fd_restore_kind_count;

/* Reads files.img, fdinfo-*.img, remap-fpath.img and the kinds' images; checks that all kinds are known. */
must_check int rfiles_load(struct restore *r, struct err *e);
/*
 * Makes every description. Afterwards rfiles_fd() gives our descriptor of any id, also of files known by path only
 * (opened with open_flags O_RDONLY, O_RDWR, O_PATH...), until rfiles_close().
 */
must_check int rfiles_make(struct restore *r, struct err *e);
must_check int rfiles_open(struct restore *r, uint32_t id, int open_flags, int *ret_fd,
			   struct err *e);
/* The entry of files.img with this id, NULL if there is none. Valid once rfiles_load() is done. */
const FileEntry *rfiles_entry(const struct restore *r, uint32_t id);
/* Entries that put all descriptors of a task's table under their numbers (the topmost sharer of a table only), cwd, root, umask. */
must_check int rfiles_install(struct rtask *t, struct plan *p, struct err *e);
/* How many entries install, join and late add at most for this task. */
uint32_t rfiles_room(const struct rtask *t);
/* A number below the limits that no descriptor of the task's table uses: for helper_fd and other passing ones. */
int rfiles_free_number(const struct rtask *t);
must_check int rfiles_join(struct rtask *t, struct plan *p, struct err *e);
must_check int rfiles_late(struct rtask *t, struct plan *p, struct err *e);
/* With all tasks there, from outside: owners and signals of F_SETOWN, flock and OFD locks, unlinking of ghosts. */
must_check int rfiles_outside(struct restore *r, struct err *e);
/* Closes our copies, removes what was made in the file system. */
void rfiles_close(struct restore *r);

#endif
