/*
 * The guardian: the process that the user started. It forks the one that does the dump, waits, and if
 * that one is killed it undoes what it had changed, from notes in memory that both share. If the guardian
 * is killed, the other one notices, takes everything back and leaves.
 */
#ifndef STASIS_DUMP_GUARD_H
#define STASIS_DUMP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/options.h"
#include "lib/stats.h"
#include "parasite/inject.h"

struct guard;

/*
 * Runs work(arg) in a process of its own. Its result, error and opt->dump_stats come back to the caller. arg is
 * inherited by fork, so what work changes in it is not seen here.
 */
must_check int guard_run(const struct options *opt,
			 int (*work)(struct guard *g, void *arg, struct err *e), void *arg,
			 struct err *e);
/* Zeroed shared memory that lives as long as the guard. */
must_check int guard_alloc(struct guard *g, size_t size, void *ret, struct err *e);
/* An injection that the guardian will heal if need be. */
must_check int guard_injection(struct guard *g, int pid, size_t threads, struct injection **ret,
			       struct err *e);
/* A hard link made for the dump (absolute path), removed unless the dump ends well and keeps it. */
must_check int guard_note_link(struct guard *g, const char *path, struct err *e);
/* A process that gets this signal once the dump is committed: from the guardian, if the worker is killed before it can. */
must_check int guard_note_ending(struct guard *g, int pid, uint64_t start_time, int signal,
				 struct err *e);
/* Where a socket was being looked at (SO_PEEK_OFF) before we set it. */
struct guard_peek {
	int pid, num; /* a descriptor of it */
	uint64_t start_time, ino;
	int offset;
};

/* Noted until the end; one socket at a time. */
void guard_peek_begin(struct guard *g, const struct guard_peek *was);
void guard_peek_end(struct guard *g);
/* A connection that is read (TCP_REPAIR), one that has to go on if the dump fails, or is to be closed without a word to the other side. */
struct guard_socket {
	int pid, num; /* a descriptor of it */
	uint64_t start_time, ino;
	int reuse;   /* SO_REUSEADDR, which repair changes */
	bool closes; /* once the dump is committed */
};

must_check int guard_note_socket(struct guard *g, const struct guard_socket *s, struct err *e);
/* From here on what is closed of those that are to be closed is not told to the other side. */
void guard_silence(struct guard *g);
/* A network lock (lib/netlock.h), removed unless the dump ends well. pid: in whose network namespace, 0: in ours. */
must_check int guard_note_lock(struct guard *g, const char *table, int pid, struct err *e);
void guard_remove_locks(struct guard *g);
/* A file that gets this text if the dump fails between begin and end. The path is absolute. */
struct guard_file;
must_check int guard_note_file(struct guard *g, const char *path, const char *text,
			       struct guard_file **ret, struct err *e);
void guard_file_begin(struct guard_file *f);
void guard_file_end(struct guard_file *f);
/* Removes the noted links now. */
void guard_remove_links(struct guard *g);
/*
 * The tree may belong to somebody else from here on, or not: until that is known nothing is undone, and nobody is ended. Its
 * tasks stop by themselves when we are gone.
 */
void guard_give(struct guard *g);
/* It is ours after all. */
void guard_keep(struct guard *g);
/* From here on nothing is undone: the dump is complete, and the endings are carried out whoever is killed. */
void guard_commit(struct guard *g, const struct dump_stats *stats);
/* -EINTR once the guardian is gone or the user wants to stop. */
must_check int guard_check(struct guard *g, struct err *e);

#endif
