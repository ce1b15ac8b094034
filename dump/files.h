/*
 * The table of open files: every description once, whoever has it, and files known by path only
 * (mapped files, executable, current directory, root).
 *
 * Descriptions are told apart by kcmp(KCMP_FILE). A kind (dump/fd/X.c) recognises a description and
 * fills its FileEntry.
 */
#ifndef STASIS_DUMP_FILES_H
#define STASIS_DUMP_FILES_H

#include <sys/stat.h>

#include "dump/dump.h"
#include "images/fd/file_extra.pb-c.h"
#include "images/file.pb-c.h"

/* One open file description, seen through one of its descriptors, or a file known by a link of /proc. */
struct file {
	struct dump *dump;
	uint32_t id;
	/* Of those that have it, the task with the smallest pid, and its smallest number for it. */
	struct task *task;
	int num;  /* -1: known by its link only, or on its way in a message */
	int kept; /* our copy of one that is on its way, which nobody may have but us; else -1 */
	const char *where; /* the link below /proc/PID: "fd/7", "exe" */
	/*
	 * Our copy (pidfd_getfd) during match and dump, else -1: shares position and queue, so peek only. An
	 * O_PATH descriptor for a file known by its link.
	 */
	int fd;
	struct stat st;
	const char *link;   /* text of the link, " (deleted)" included */
	const char *fdinfo; /* the whole text */
	int flags;	    /* O_*, without O_CLOEXEC */
	uint64_t pos;
	int mnt_id;
	FownEntry *fown;
	const struct fd_kind *kind;
	FileEntry *entry;
	FileExtraEntry *extra; /* NULL: nothing beyond the entry */
	void *note;	       /* the kind's own */
	size_t watch_count;    /* of inotify and fanotify (dump/watch.h) */
	uint32_t locks_of;     /* the table whose POSIX locks on it are known (dump/fd/lock.c) */
	struct file *next;
};

/* One number in one table. */
struct descriptor {
	int num;
	bool cloexec;
	bool first; /* the description was not seen before */
	struct file *file;
};

/* A table of descriptors; tasks cloned with CLONE_FILES share one. */
struct fd_table {
	uint32_t id;
	struct task *task;     /* the topmost one that has it */
	struct descriptor *at; /* ascending */
	size_t count;
	struct fd_table *next;
};

struct fd_kind {
	const char *name; /* "fd/pipe" */
	FdTypes type;
	/* Whether this description is of the kind; asked in the order of the table. NULL: not a kind of description. */
	bool (*match)(const struct file *f);
	/* Fills entry (id and type are set); further images are written in finish. */
	int (*dump)(struct file *f, FileEntry *entry, struct err *e);
	/* For every descriptor, whatever its kind: what the kernel keeps by number. fdinfo is this one's text. */
	int (*seen)(const struct fd_table *t, const struct descriptor *at, const char *fdinfo,
		    struct err *e);
	/* Once, when all descriptions of the dump are known. */
	int (*finish)(struct dump *d, struct err *e);
};

extern const struct fd_kind *const fd_kinds[];
extern const size_t fd_kind_count;

/* Before the stop: gets ready for so many descriptors, or for rings, which takes some 10 ms if it is worth that. */
void files_told_prepare(struct dump *d, size_t count, bool rings);
void files_told_end(struct dump *d);
/* Reads every descriptor of a task and its cwd, root and umask; refuses what cannot be carried. Needs no code in it. */
must_check int files_read_task(struct task *t, struct err *e);
/*
 * The id of a file known by a link below /proc/PID ("exe", "cwd", "root", "map_files/START-END"). The same inode under the
 * same path gets the same id.
 */
must_check int files_add_link(struct task *t, const char *link, uint32_t *ret_id, struct err *e);
/* A FileEntry of a mapping (MEMFD) made by dump/mm; takes the next id. entry lives in the pool. */
uint32_t files_add_entry(struct dump *d, FileEntry *entry);
/* Writes files.img, fdinfo-*.img, remap-fpath.img and what the kinds have to write. */
must_check int files_save(struct dump *d, struct err *e);
/* Frees what is ours. Link remaps are noted with the guardian, which removes them. */
void files_undo(struct dump *d);

/* --- for kinds -------------------------------------------------------------------------------- */

/* Files that are known by a link only. */
struct files;
void files_each_link(const struct files *files, void (*fn)(dev_t, ino_t, uint32_t id, void *arg),
		     void *arg);
/* The next description of a kind after that one (NULL: the first). */
struct file *files_next(const struct dump *d, const struct fd_kind *kind, const struct file *after);
/* A copy of the descriptor, after dump() is over. */
must_check int files_copy(const struct file *f, int *ret_fd, struct err *e);
/*
 * The description of a descriptor that waits in a message, received by looking at it: a known one, or a new one. The
 * descriptor is taken over, whatever comes of it. t: who could receive it.
 */
must_check int files_add_sent(struct task *t, int fd, struct file **ret, struct err *e);
/* Puts the description in front of an error: "fd 7 (pipe) of pid 12". */
int files_blame(const struct file *f, struct err *e);
/* What is kept beside its entry, made when first asked for. Needs the id. */
FileExtraEntry *files_extra(struct file *f);
/* An id for an entry of another file. */
uint32_t files_new_id(struct dump *d);
/* A REG entry, with an id of its own, for the node that a FIFO or terminal was opened by. */
must_check int files_add_node(struct file *f, uint32_t *ret_id, struct err *e);
/* The same for a node whose path is known to lead there and is not looked at. */
must_check int files_add_named(struct file *f, const char *name, uint32_t *ret_id, struct err *e);
/* What is written for a file with a path: name, size, mode, build-id; ghosts and remaps where the path is gone. */
must_check int files_path_entry(struct file *f, uint32_t id, RegFileEntry **ret, struct err *e);
/* Whether this is a process or thread of the tree; zombies are. */
bool files_has_thread(const struct dump *d, int tid);
/* The table of a task. */
const struct fd_table *files_table(const struct task *t);
/* The descriptor of this number, NULL: there is none. */
const struct descriptor *files_descriptor(const struct fd_table *table, uint32_t number);
/* The number behind "name:" in a text of fdinfo, in a base of strtoull; false when there is no such line. */
bool files_number(const char *fdinfo, const char *name, int base, uint64_t *ret);

#endif
