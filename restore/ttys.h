/* Terminals of a restore: restore/fd/tty.c opens their ends, restore/ttys.c makes the ptys. */
#ifndef STASIS_RESTORE_TTYS_H
#define STASIS_RESTORE_TTYS_H

#include "images/fd/tty.pb-c.h"
#include "restore/files_table.h"

/* A pseudo-terminal of the tree. */
struct rpty {
	unsigned int index;
	const TtyInfoEntry *master_info, *slave_info; /* either may be NULL */
	int master, slave;			      /* ours; -1: not made */
	bool master_given;
	bool orphan; /* the master is outside of the tree: whoever asks for the restore gets it */
};

struct rttys {
	TtyInfoEntry **infos;
	size_t info_count;
	TtyDataEntry **data;
	size_t data_count;
	struct rpty *ptys;
	size_t pty_count;
	bool job_set; /* the terminal that we run in has the settings of the shell job's */
};

/* The pty whose master we make, NULL: there is none of this number. */
struct rpty *rttys_find(const struct restore *r, unsigned int index);
const TtyInfoEntry *rttys_info(const struct restore *r, uint32_t id);
/* Makes both ends, with settings and owner. name: of the node that masters are opened by. */
must_check int rttys_make(struct restore *r, struct rpty *pty, const char *name, struct err *e);
#define RTTYS_ANY UINT32_MAX
/* A master of this number. */
must_check int rttys_open_master(const struct restore *r, const char *name, unsigned int index,
				 int *ret_fd, struct err *e);
/* What was unread, and what is to be set last. */
must_check int rttys_finish(struct restore *r, struct err *e);
/* The settings of an image, onto a terminal. */
must_check int rttys_set(int fd, const TermiosEntry *settings, unsigned long request,
			 struct err *e);
/* An opening as /dev/tty: by a process that has the terminal for its own meanwhile. */
must_check int rttys_open_own(int slave, int flags, int *ret_fd, struct err *e);

#endif
