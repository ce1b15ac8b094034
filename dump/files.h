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
#include "images/file.pb-c.h"

/* One open file description, seen through one of its descriptors. */
struct file {
	struct dump *dump;
	uint32_t id;
	struct task *task; /* a task that has it, as number num */
	int num;
	int fd; /* our copy (pidfd_getfd): shares position and queue, so peek only */
	struct stat st;
	const char *link;   /* text of /proc/PID/fd/N, " (deleted)" included */
	const char *fdinfo; /* the whole text */
	int flags;	    /* O_*, without O_CLOEXEC */
	uint64_t pos;
	int mnt_id;
	FownEntry *fown;
};

struct fd_kind {
	const char *name; /* "fd/pipe" */
	FdTypes type;
	/* Whether this description is of the kind; asked in the order of the table. */
	bool (*match)(const struct file *f);
	/* Fills entry (id and type are set); further images are written in finish. */
	int (*dump)(struct file *f, FileEntry *entry, struct err *e);
	/* Once, when all descriptions of the dump are known. */
	int (*finish)(struct dump *d, struct err *e);
};

extern const struct fd_kind *const fd_kinds[];
extern const size_t fd_kind_count;

/* Reads every descriptor of a task and its cwd, root and umask; refuses what cannot be carried. Needs no code in it. */
must_check int files_read_task(struct task *t, struct err *e);
/*
 * The id of a file known by a link below /proc/PID ("exe", "cwd", "root", "map_files/START-END"); fd_flags as of
 * reg_file_entry.flags. The same inode gets the same id.
 */
must_check int files_add_link(struct task *t, const char *link, uint32_t *ret_id, struct err *e);
/* A FileEntry of a mapping (MEMFD) made by dump/mm; takes the next id. entry lives in the pool. */
uint32_t files_add_entry(struct dump *d, FileEntry *entry);
/* Writes files.img, fdinfo-*.img, fs-*.img, remap-fpath.img and what the kinds have to write. */
must_check int files_save(struct dump *d, struct err *e);
/* Takes back what was changed in the file system (link remaps); also after SIGKILL of the dumper, by the guardian. */
void files_undo(struct dump *d);

#endif
