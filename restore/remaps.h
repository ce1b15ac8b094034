/* Files that are not found by their path; shared by restore/fd/remap.c and restore/fd/ghost.c. */
#ifndef STASIS_RESTORE_REMAPS_H
#define STASIS_RESTORE_REMAPS_H

#include "restore/files_table.h"

enum { PLACE_DEPTH = 64 };

/* Where a file had its name: the directory, made if need be, and the name in it. */
struct place {
	int dir;	       /* O_PATH */
	char name[256];	       /* with .cr_link behind it when the name itself is taken */
	int made[PLACE_DEPTH]; /* directories above those that were made, */
	char made_name[PLACE_DEPTH][256]; /* and their names there */
	int made_count;
	bool linked; /* something lies there for the moment */
};

must_check int place_find(const struct restore *r, const RegFileEntry *reg, struct place *ret,
			  struct err *e);
/* Removes what lies there, and the directories. */
void place_leave(struct place *at);
/* The thing that lies there now, O_PATH. */
must_check int place_open(const struct place *at, const char *path, int *ret_fd, struct err *e);
/* Links an open or named file there; at another name if that one is taken. errno-style: 0 or -errno. */
int place_link(struct place *at, int from_dir, const char *from, int flags);

/* All files that ghost number id stands for get a path_fd. */
must_check int ghost_make(struct restore *r, uint32_t id, struct rfile **files, size_t count,
			  struct err *e);

/* A file below /proc/PID of a process that is gone: opened as another one that has its number for a moment. */
must_check int procfs_make(struct restore *r, struct rfile *f, int pid, struct err *e);

#endif
