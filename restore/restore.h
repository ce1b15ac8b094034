/*
 * What a restore knows about the tree while it builds it.
 *
 * The coordinator (this process) makes the descriptors itself and hands them over; everything that must
 * happen inside a task is an entry of a plan that the task's runner makes. All tasks are traced from
 * birth (PTRACE_O_EXITKILL): if the coordinator goes, so does the half-made tree.
 */
#ifndef STASIS_RESTORE_RESTORE_H
#define STASIS_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "images/core.pb-c.h"
#include "images/file.pb-c.h"
#include "images/inventory.pb-c.h"
#include "images/mm/mm.pb-c.h"
#include "images/pstree.pb-c.h"
#include "images/task/fs.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "lib/err.h"
#include "lib/options.h"
#include "lib/own.h"
#include "lib/pool.h"
#include "parasite/plan.h"

struct rfiles;
struct rshmem;

struct rthread {
	int tid;
	struct rtask *task;
	CoreEntry *core;
	bool born;
};

struct rtask {
	struct restore *restore;
	struct rtask *parent; /* NULL for the root */
	const PstreeEntry *entry;
	int pid;
	int state; /* task_core_entry.task_state: 1 alive, 2 dead, 3 stopped */
	bool helper; /* not in the images: lends its pid to a session or group, then leaves */
	struct rthread *threads; /* [0] is the leader */
	size_t thread_count;
	CoreEntry *core;
	MmEntry *mm;
	FsEntry *fs;
	TaskKobjIdsEntry *ids;
	int helper_fd; /* number, in the task, of a pidfd of the coordinator: pidfd_getfd(helper_fd, N, 0)
			* fetches our descriptor N; -1 while the task does not have it */
};

struct restore {
	const struct options *opt;
	struct pool pool;
	int images;
	InventoryEntry *inventory;
	struct rtask **tasks; /* parents before children */
	size_t task_count;
	struct arena arena; /* at the same address in all tasks */
	struct rfiles *files;  /* restore/files.h */
	struct rshmem *shmem;  /* restore/mm/shmem.h */
};

/*
 * A kind of task or thread state. Each function adds entries to the plan of one thread; the kinds'
 * entries come in the order of the table in restore/kinds.c. The leader's plan has the task's and the
 * thread's entries of each kind, other threads have the thread's. Every function may be missing.
 *
 * state: memory, descriptors and all threads are there; still fully privileged.
 * late:  all tasks have done state; zombies and helpers are gone. Handlers, then pending signals.
 * last:  seccomp (suspended by the tracer), credentials, then what they reset, then armed timers.
 *        Nothing that can take long comes after.
 */
struct restore_kind {
	const char *name;
	/* Once, before anything is created: loads and checks an image of the whole dump (seccomp.img). */
	int (*load)(struct restore *r, struct err *e);
	int (*task_state)(struct rtask *t, struct plan *p, struct err *e);
	int (*thread_state)(struct rthread *t, struct plan *p, struct err *e);
	int (*task_late)(struct rtask *t, struct plan *p, struct err *e);
	int (*thread_late)(struct rthread *t, struct plan *p, struct err *e);
	int (*task_last)(struct rtask *t, struct plan *p, struct err *e);
	int (*thread_last)(struct rthread *t, struct plan *p, struct err *e);
	/* From outside, between state and late: what the coordinator writes below /proc/PID. */
	int (*outside)(struct rtask *t, struct err *e);
};

extern const struct restore_kind *const restore_kinds[];
extern const size_t restore_kind_count;

/* Starts the tree saved in the images directory. */
must_check int restore_run(const struct options *opt, struct err *e);

#endif
