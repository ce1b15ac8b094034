/* Inside of the descriptors of a restore: shared by restore/files*.c and the kinds that stand in for files. */
#ifndef STASIS_RESTORE_FILES_TABLE_H
#define STASIS_RESTORE_FILES_TABLE_H

#include "restore/files.h"

enum { ACCESS_MODES = 4 }; /* O_RDONLY, O_WRONLY, O_RDWR, and O_PATH in the fourth place */

/* One entry of files.img. */
struct rfile {
	uint32_t id;
	FileEntry *entry;
	FileExtraEntry *extra; /* NULL: there is none */
	const struct fd_restore_kind *kind; /* NULL: none that we know */
	int fd;				    /* the description, in our table; -1: not made (yet) */
	int opened[ACCESS_MODES];	    /* of a file without a descriptor, by access mode */
	struct rtask *
		owner; /* who does what has to be done in one task: the smallest pid; NULL: no descriptor */
	int number;  /* its smallest number there */
	bool sent;   /* waits in a message, so it is made even if nobody has it */
	int path_fd; /* O_PATH, of a file that is not found by its path (restore/fd/remap.c) */
	enum made_when when;
	int placed; /* the number in the table that is being installed, -1: none */
};

/* One table of descriptors. */
struct rtable {
	uint32_t files_id;
	struct rtask *task; /* the topmost one, who installs it */
	FdinfoEntry **at;   /* ascending */
	size_t count;
};

struct rfiles {
	struct rfile *files; /* ascending by id */
	size_t count;
	struct rtable *tables;
	size_t table_count;
	struct remaps *remaps;	  /* restore/fd/remap.c */
	struct rpipes *pipes;	  /* restore/pipes.c */
	struct rttys *ttys;	  /* restore/ttys.h */
	struct rlocks *locks;	  /* restore/fd/lock.c */
	struct rsockets *sockets; /* restore/fd/unixsk.h */
	struct handles *handles;  /* restore/watch.c */
	struct rbpfmaps *bpfmaps; /* restore/fd/bpfmap.c */
	struct rmqueues *mqueues; /* restore/fd/mqueue.c */
	struct rinets *inets;	  /* restore/fd/inetsk.h */
	struct rnetwork *network; /* restore/network.c */
	int root;		  /* --root, -1: none */
	bool made[3];		  /* by enum made_when: those are made */
};

struct rfile *rfiles_find(const struct restore *r, uint32_t id);
/* The table that the task installs, NULL: it has none or another task does. */
struct rtable *rfiles_table(const struct rtask *t);
/* The table that the task has, whoever installs it. */
const struct rtable *rfiles_table_of(const struct rtask *t);
/* The descriptor of this number, NULL: there is none. */
const FdinfoEntry *rfiles_number(const struct rtable *table, uint32_t number);
/* Puts "fd 7 (pipe) of pid 12" in front. */
int rfiles_blame(const struct rfile *f, struct err *e);

/* restore/files_entry.c: the message that goes with the type is there, and of the same id. */
bool rfiles_entry_whole(const FileEntry *f);
/* Flags of open(2), as far as the kind has not set them when it was made. */
uint32_t rfiles_entry_flags(const FileEntry *f);
/* NULL: it has none. */
const FownEntry *rfiles_entry_owner(const FileEntry *f);

/* restore/fd/remap.c, restore/fd/ghost.c */
must_check int remaps_load(struct restore *r, struct err *e);
must_check int remaps_make(struct restore *r, struct err *e);
/* Removes what the dump has left in the file system for us. */
void remaps_done(struct restore *r);
void remaps_close(struct restore *r);

#endif
