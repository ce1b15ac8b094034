/*
 * Bringing pages to a tree that runs without them: those that are touched at once, all others in the background, until nothing
 * is outstanding. Then the last descriptor is closed, and nothing tells the memory from any other.
 *
 * When the last holder of a userfaultfd is gone the kernel gives zeros to whoever waits, and to whoever comes: a program would go
 * on with memory that is not its own. So there are always two processes with one table of descriptors. One serves; the other
 * knows what was outstanding when it was made and shares the journal of what has happened since. If the one is killed the
 * other serves in its place and makes a new second one; if the second one is killed, the first makes another. If both are
 * killed at the same moment the kernel ends the tree, before it closes the userfaultfds (lazy/tether.h).
 *
 * A page that cannot be had: whoever touches it is stopped, what is wrong is said, and it is asked for again until it comes.
 */
#ifndef STASIS_LAZY_SERVER_H
#define STASIS_LAZY_SERVER_H

#include <sys/types.h>

#include "lazy/journal.h"
#include "lazy/source.h"
#include "lazy/space.h"
#include "lazy/tether.h"

enum { LAZY_STOPPED = 64 };

/* What both know at every moment. */
struct lazy_shared {
	unsigned int keeper;	   /* the number of the one that takes over */
	bool over;		   /* nothing is outstanding, so nobody need */
	bool goes;		   /* the tree runs */
	int stopped[LAZY_STOPPED]; /* threads that wait for a page that could not be had; 0: none */
};

/* One that waits for a page. */
struct lazy_stuck {
	unsigned int space;
	uint64_t at;
	int tid; /* 0: nobody knows */
};

struct lazy_server {
	struct lazy_source *source;
	struct lazy_space *spaces; /* by id */
	size_t count;
	struct lazy_shared *shared;
	struct journal *journal;
	size_t used; /* records */
	int epoll;
	int go; /* a byte: the tree runs; its end before: the restore has failed; -1: it is over */
	uint32_t go_word; /* this instead of any byte; 0: any */
	int self, second; /* pidfds: of this process, and of the one that takes over */
	int mark;	  /* lazy/serving.h; -1: there is none */
	struct tether tether;
	struct lazy_stuck stuck[LAZY_STOPPED];
	size_t stuck_count;
	uint64_t retry_at, fault_at, noted_at, filled_at; /* io_now_us() */
	uint64_t look_at;		       /* for children that were born since; 0: none were */
	int work_fd;			       /* for a log, if there is none */
	bool detached;			       /* so is standard error */
	ino_t pid_ns;			       /* of the tree, if it is not ours; 0: it is */
	int first_pid;			       /* of that one's first process */
	int witness;			       /* lazy/witness.h; -1: none is needed */
	int ready;			       /* a byte for whoever has started it; -1: done */
	char said[256];			       /* the last that was said of the source */
	char *buffer;			       /* SOURCE_PAGES */
};

/* Fill in source, go, work_fd and detached before. */
must_check int lazy_server_begin(struct lazy_server *s, struct err *e);
/* The memory of a process: its pid, uffd and saved regions are set; the latter stay the caller's, and as they are. */
must_check int lazy_server_add(struct lazy_server *s, const struct lazy_space *of, struct err *e);
/* Makes the two processes, and returns when they serve. What is open for them is the caller's to close. */
must_check int lazy_server_start(struct lazy_server *s, struct err *e);
/* The same, by the process that calls, which returns only if it cannot. */
must_check int lazy_server_here(struct lazy_server *s, struct err *e);

/* --- between the files of the server -------------------------------------------------------------- */

/* In a process of its own, with one thread: until all is done. */
_Noreturn void lazy_server_run(struct lazy_server *s);

/* Its end is a reason for another one. */
must_check int server_watch_second(struct lazy_server *s, struct err *e);

/* lazy/pair.c: makes a second process that knows what this one knows, and ends the one before. */
must_check int pair_renew(struct lazy_server *s, struct err *e);
/* The second one has ended, without having been asked to. */
void pair_mend(struct lazy_server *s);
/* Closes everything but what is needed. */
void pair_close_others(const struct lazy_server *s);

/* lazy/events.c */
must_check int events_apply(struct lazy_server *s, unsigned int space, const struct uffd_msg *m,
			    struct err *e);
must_check int events_close(struct lazy_server *s, unsigned int space, struct err *e);
/* What the journal holds happened to another process's knowledge. */
must_check int events_replay(struct lazy_server *s, struct err *e);

/* lazy/fill.c. A fault of a thread, which waits. */
void fill_fault(struct lazy_server *s, unsigned int space, uint64_t address, int tid);
/* Some pages that nobody waits for. False: there is nothing to be done now. */
bool fill_some(struct lazy_server *s);
/* Once more for those that wait for what could not be had. */
void fill_retry(struct lazy_server *s);
/* Whether something is outstanding that may be had at once. */
bool fill_has_work(const struct lazy_server *s);

/* What an error says, where somebody will look for it. */
void lazy_say(struct lazy_server *s, const struct err *e);

#endif
