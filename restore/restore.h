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
#include "images/packed.h"
#include "images/task/fs.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "lib/err.h"
#include "lib/options.h"
#include "lib/own.h"
#include "lib/pool.h"
#include "parasite/plan.h"

struct rfiles;
struct rshmem;
struct rsysv;
struct rlazy;
struct rsysv_ipc;
struct rtracks;
struct rcgroups;
struct rnamespaces;
struct rmounts;

struct rthread {
	int tid; /* as in the images, and in the tree */
	int here; /* as we see it: the same but in a pid namespace of its own, where it is 0 until it is born */
	struct rtask *task;
	CoreEntry *core;	  /* NULL for helpers and for threads of the dead */
	bool keeps_creds;	  /* has the credentials of a newborn */
	struct ExtraEntry *extra; /* what core has no room for, NULL: nothing. restore/extra.h */
};

struct rtask {
	struct restore *restore;
	struct rtask *parent; /* NULL: the coordinator */
	int pid, pgid, sid;
	int state;   /* task_core_entry.task_state: 1 alive, 2 dead, 3 stopped */
	bool helper; /* not in the images: lends its pid to a session or group, then leaves */
	struct rthread *threads; /* [0] is the leader */
	size_t thread_count;
	CoreEntry *core; /* of the leader */
	MmEntry *mm;
	FsEntry *fs;
	TaskKobjIdsEntry *ids;
	/* How it comes into the world; restore/births.c decides. */
	struct rtask *
		creator; /* whose runner clones it: the parent, or a sibling with CLONE_PARENT; NULL: we do */
	bool before_setsid;	    /* while the creator is still in the session it was born in */
	int birth_sid;		    /* the session it is born in */
	bool inherits;		    /* takes over equal private pages from its parent by fork */
	bool has_memory;	    /* its memory is there */
	bool one_seccomp;	    /* all threads have the same filters: restore/task/seccomp.c */
	struct stored_pages *pages; /* images/pages.h */
	const VmaEntry *
		parked_vdso; /* restore/mm/vdso.c: the running kernel's, parked by an earlier restore; or NULL */
	const VmaEntry *parked_vvar;
	bool *lazy; /* for each mapping: restore/lazy.h; NULL: none is */
	int helper_fd; /* number, in the task, of a pidfd of the coordinator: pidfd_getfd(helper_fd, N, 0)
			* fetches our descriptor N; -1 while the task does not have it */
};

/* The number by which we find a task. */
static inline int rtask_here(const struct rtask *t)
{
	return t->threads[0].here;
}

/* What every newborn thread has from us: what is to be the same in the end need not be set in each of a thousand. */
struct born {
	bool plain_creds; /* root with all of r->bounding and nothing else */
	uint32_t gid;
	uint32_t *groups;
	int group_count;
	int nice, policy;
	uint64_t timer_slack; /* nanoseconds */
	uint32_t personality;
	bool mempolicy; /* not the default, or not everybody's in the images: all set theirs */
};

struct restore {
	const struct options *opt;
	struct pool pool;
	int images;
	InventoryEntry *inventory;
	struct rtask **tasks; /* parents before children; helpers at the end */
	size_t task_count;
	int arena_fd;
	struct arena arena; /* at the same address in all tasks */
	/* The runtime's vdso, parked beside the arena in every new task and inherited by fork. vvar with vvar_vclock. */
	uint64_t vdso_at, vdso_size, vvar_at, vvar_size;
	uint64_t vvar_first;		  /* bytes of vvar alone, a mapping of its own */
	uint64_t park_at, park_size;	  /* reserved for them, behind the arena */
	struct rfiles *files;		  /* restore/files.h */
	struct rshmem *shmem;		  /* restore/mm/shmem.h */
	struct rsysv *sysv;		  /* restore/mm/sysv.h */
	struct rsysv_ipc *sysv_ipc;	  /* restore/sysv.h; NULL: nothing */
	struct rnamespaces *ns;		  /* restore/ns.h */
	struct rmounts *mounts;		  /* restore/mounts.h; NULL: those of ours */
	struct runs *runs;		  /* restore/run.h */
	struct fetched *fetched;	  /* restore/memory_fetch.c */
	struct intact *intact;		  /* restore/intact.c */
	struct rtracks *tracks;		  /* restore/track.h; NULL: nothing is tracked */
	struct rlazy *lazy;		  /* restore/lazy.h; NULL: all pages are restored at once */
	uint64_t lazy_pages;		  /* that come later */
	int lazy_sock;			  /* of --lazy-pages, -1: there is none (yet) */
	struct packed_files packed_files; /* with compressed pages, or those that are stored once */
	struct rcgroups *cgroups;	  /* restore/cgroups.h; NULL: they are left alone */
	struct restore_stream *stream;	  /* restore/stream.h; NULL: images come from a folder */
	struct SeccompEntry *seccomp;	  /* restore/task/seccomp.c */
	struct xstate_layout *xstate;	  /* images/xstate.h, of this processor */
	uint64_t bounding;		  /* our capability bounding set, restore/task/creds.c */
	struct born born;
	bool wrote_pidfile;
	uint64_t started_at; /* io_now_us() */
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
	/* Once, before there are tasks: makes what they find when they come. */
	int (*make)(struct restore *r, struct err *e);
	void (*close)(struct restore *r, bool failed);
	/* How many entries it adds in any one stage if that depends on the images; a few need not be counted. */
	uint32_t (*room)(const struct rthread *t);
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
