/*
 * Descriptors at restore. The coordinator makes every description (fd_restore_kind.make) in its own
 * table; each task then fetches what it needs by pidfd_getfd and puts it under its number.
 */
#ifndef STASIS_RESTORE_FILES_H
#define STASIS_RESTORE_FILES_H

#include "images/fd/file_extra.pb-c.h"
#include "restore/restore.h"

/* When a description can be made. */
enum made_when {
	MADE_FIRST,   /* before the tree */
	MADE_TREE,    /* when all processes are there, with their memory */
	MADE_THREADS, /* when their threads and descriptors are there, too */
};

struct fd_restore_kind {
	const char *name;
	FdTypes type;
	/* Of EXT, which CRIU has for plugins and we for kinds that it does not know: whether it is of this kind. */
	bool (*takes)(const FileExtraEntry *extra);
	/* Once: loads images of the kind (pipes-data, tty-info). */
	int (*load)(struct restore *r, struct err *e);
	/* Once, when those of all other kinds are made: of kinds that are made together. It names them in an error. */
	int (*prepare)(struct restore *r, struct err *e);
	/* When it can be made; NULL: MADE_FIRST. */
	enum made_when (*when)(const struct restore *r, const FileEntry *f);
	/* Makes the description in our table; needs no other descriptor. O_CLOEXEC. */
	int (*make)(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e);
	/* Once, when all descriptions are made: closes what was only needed meanwhile. */
	int (*made)(struct restore *r, struct err *e);
	/* All descriptions are made and in place: entries in a task that has it (fd: its number there). */
	int (*join)(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e);
	/* With everybody stopped, as late as possible: arm timers, leave TCP repair. */
	int (*late)(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e);
	/*
	 * Memory, registers and descriptors are as they are to be, and everybody stands still: from outside, by our copy. No
	 * file is opened after that.
	 */
	int (*settle)(struct restore *r, const FileEntry *f, int fd, struct err *e);
	/* Entries of a task that are of no descriptor: locks, the controlling terminal. After all joins. */
	int (*task)(struct rtask *t, struct plan *p, struct err *e);
	/* How many entries join and late need at most for a description; NULL: none. */
	uint32_t (*room)(const FileEntry *f);
	uint32_t (*task_room)(const struct rtask *t);
	/* The restore has succeeded: what would have been undone stays. */
	void (*done)(struct restore *r);
	void (*close)(struct restore *r);
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
/* Entries, right behind setsid(2), that make a terminal the one of the session. The descriptors are not in place yet. */
void rfiles_session(struct rtask *t, struct plan *p);
/* Entries that put in place what needs threads and descriptors to be there, which install has left room for. */
must_check int rfiles_install_last(struct rtask *t, struct plan *p, struct err *e);
/* How many entries install, join and late add at most for this task. */
uint32_t rfiles_room(const struct rtask *t);
/* A number below the limits that no descriptor of the task's table uses: for helper_fd and other passing ones. */
int rfiles_free_number(const struct rtask *t);
must_check int rfiles_join(struct rtask *t, struct plan *p, struct err *e);
must_check int rfiles_late(struct rtask *t, struct plan *p, struct err *e);
/* With all tasks there, from outside: owners and signals of F_SETOWN. */
must_check int rfiles_outside(struct restore *r, struct err *e);
/* The last that is done from outside; see settle. */
must_check int rfiles_settle(struct restore *r, struct err *e);
/* The restore has succeeded: removes the links that the dump made (--link-remap). */
void rfiles_done(struct restore *r);
/* Closes our copies. */
void rfiles_close(struct restore *r);

/* --- for kinds -------------------------------------------------------------------------------- */

/* When what is about this pid or tid can be made; MADE_FIRST: it is none of the tree. */
/* The number by which we find a thread of the tree. */
int rfiles_here(const struct restore *r, int tid);
enum made_when rfiles_when_pid(const struct restore *r, int tid);
/* Our descriptor of a description, -1: it is not made. */
int rfiles_fd(const struct restore *r, uint32_t id);
/* What the dump has kept beside its entry, NULL: nothing. */
const FileExtraEntry *rfiles_extra(const struct restore *r, uint32_t id);
/* Opens the file of a REG entry with flags of open(2), and checks that it is the one that was dumped. */
must_check int rfiles_open_path(struct restore *r, const RegFileEntry *reg, int flags, int *ret_fd,
				struct err *e);
/* A descriptor of ours that stands for the object of this key (--inherit-fd), opened for flags; -1: none. */
must_check int rfiles_inherited(const struct restore *r, const char *key, int flags, int *ret_fd,
				struct err *e);
bool rfiles_is_inherited(const struct restore *r, const RegFileEntry *reg);
/* A path as the tree sees it (--root): openat2(2) there, an error is -errno. */
int rfiles_path_open(const struct restore *r, const char *path, int flags);
/* Opens again what one of our descriptors is of, as a description of its own. */
must_check int rfiles_reopen(int fd, int flags, int *ret_fd, struct err *e);
/* Flags of an image that open(2) takes. */
int rfiles_open_flags(uint32_t flags);
/* A number that the task's table does not use, above from. */
int rfiles_gap(const struct rtask *t, int from);

#endif
