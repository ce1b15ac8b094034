/*
 * What a dump knows about the tree while it works.
 *
 * The order of the work is the list of steps in dump.c. Kinds (dump/task, dump/fd, dump/mm, one file
 * each) read what they look after and put it into messages of the images; they export one constant
 * each, listed in dump/kinds.c.
 */
#ifndef STASIS_DUMP_DUMP_H
#define STASIS_DUMP_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#include "images/core.pb-c.h"
#include "images/manifest.h"
#include "images/mm/mm.pb-c.h"
#include "images/pstree.pb-c.h"
#include "images/task/fs.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "lib/err.h"
#include "lib/options.h"
#include "lib/own.h"
#include "lib/pool.h"
#include "lib/proc.h"
#include "parasite/plan.h"

struct background;
struct injection;
struct files;
struct shmem;
struct shmem_helds;
struct tracks;
struct cow;
struct cow_task;
struct dump_stream;
struct page_outlet;
struct dump_lazy;
struct seen_pages;
struct network;
struct cgroups;
struct freezer;
struct dump_namespaces;
struct dump_mounts;
struct sysv;

/* Values of task_core_entry.task_state. */
enum task_state { TASK_ALIVE = 1, TASK_DEAD = 2, TASK_STOPPED = 3 };

/* While the tree is being stopped; dump/stand.h. */
enum thread_place { THREAD_ASKED, THREAD_STANDS, THREAD_GONE };

struct thread {
	int tid;
	int inner; /* tid as the tree sees it: what the images have; dump/ns.h */
	enum thread_place place;
	struct task *task;
	struct user_regs_struct regs; /* as at the stop: what is put back if the target goes on */
	void *xstate;		      /* NT_X86_XSTATE, standard layout */
	size_t xstate_size;
	uint64_t sigmask; /* PTRACE_GETSIGMASK at the stop */
	bool seccomp;	  /* a filter or strict mode is on, suspended by PTRACE_O_SUSPEND_SECCOMP */
	CoreEntry *core;  /* the image; thread_core is always set, tc for the leader only */
	struct ExtraEntry *extra; /* what core has no room for; NULL: nothing. dump/extra.h */
};

struct task {
	struct dump *dump;
	struct task *parent; /* NULL for the root */
	int pid;
	int inner, inner_pgrp, inner_session; /* as the tree sees them; dump/ns.h */
	struct proc_stat stat;		      /* as it was when all of its threads stood still */
	enum task_state state;
	int stop_signal;	/* for TASK_STOPPED */
	struct thread *threads; /* [0] is the leader; empty for the dead */
	size_t thread_count;
	int pidfd;
	int proc_fd;	  /* directory /proc/PID */
	struct vma *vmas; /* lib/maps.h, ascending; our own arena is not among them */
	size_t vma_count;
	bool has_rings;		     /* of io_uring are mapped (dump/mm/uring.c) */
	struct injection *injection; /* while the runner is in there */
	TaskKobjIdsEntry *ids;
	struct cow_task *cow; /* dump/cow.h; NULL: its memory is saved in the stop */
	MmEntry *mm;
	FsEntry *fs;
};

/* Numbers for kernel objects that the images know by an id of their own; see overview.md of the format. */
struct id_counters {
	uint32_t vm, fs, sighand, files;
};

struct dump {
	const struct options *opt;
	struct pool pool;    /* messages and everything that lives as long as the dump */
	int images;	     /* directory, = opt->images_fd */
	struct task **tasks; /* parents before children (preorder) */
	size_t task_count;
	struct files *files; /* dump/files.h */
	struct told *told;   /* dump/files_told.c; NULL: descriptors are asked one by one */
	struct shmem *shmem; /* dump/mm/shmem.h */
	struct shmem_helds *shmem_helds; /* dump/mm/shmem_held.h; NULL: nothing */
	struct SeccompEntry *seccomp;	 /* dump/task/seccomp.c */
	struct machine *machine;	 /* dump/machine.h */
	struct dump_namespaces *ns;	 /* dump/ns.h */
	struct dump_mounts *mounts;	 /* dump/mounts.h; NULL: those of ours */
	struct id_counters ids;		 /* last used numbers; 1 is the dumper's own */
	char *name;			 /* of this set of images: dump_criu_run_id */
	struct manifest manifest;	 /* page maps and pages files as they are completed */
	uint32_t pages_id;		 /* last used number of a pages-N.img */
	struct seen_pages *seen; /* of the folder being written; NULL: without --dedup-pages */
	struct guard *guard;	 /* dump/guard.h */
	uint64_t frozen_at;	 /* io_now_us(); 0: the tree runs */
	bool track_mem;		 /* --track-mem, or a pre-dump */
	bool only_memory;      /* a pre-dump, whose client does not say what else is from outside */
	bool is_stopping;      /* a SIGSTOP of ours waits in each task */
	bool in_doubt;	       /* nobody knows who has the tree: it is left as it is */
	bool runs_on;	       /* memory is to be saved behind the stop: dump/cow.h */
	struct tracks *tracks; /* dump/track.h; NULL: nothing is tracked */
	struct cow *cow;       /* dump/cow.h; NULL: memory is saved in the stop */
	struct dump_stream *stream;    /* dump/stream.h; NULL: into the folder */
	struct page_outlet *outlet;    /* dump/page_server.h; NULL: pages go into the folder */
	struct dump_lazy *lazy;	       /* dump/lazy.h; NULL: all pages are saved */
	struct cgroups *cgroups;       /* dump/cgroups.h; NULL: nobody has looked yet */
	struct freezer *freezer;       /* dump/freezer.h; NULL: without a control group */
	struct sysv *sysv;	       /* dump/sysv.h; NULL: nobody has looked yet */
	struct network *network;       /* dump/network.h; NULL: there are no connections */
	struct background *background; /* writes images; NULL: they are written at once */
};

/*
 * A kind of task or thread state. Every function may be missing.
 *
 * read: from outside, while stopped and before anything of ours is in the target (/proc, ptrace, pidfd).
 * ask:  adds entries to a plan that runs inside the leader (task) or in each thread (thread). What save
 *       needs to find the answers again goes into *note (allocate it from dump->pool).
 * save: puts the answers into the images' messages. note is NULL if ask left none. Plan data and results
 *       are valid during save only.
 * inside: for more questions than go into one plan: runs plans of its own in the leader.
 */
struct task_kind {
	const char *name; /* "task/itimers": names the kind in an error */
	int (*read)(struct task *t, struct err *e);
	int (*ask)(struct task *t, struct plan *p, void **note, struct err *e);
	int (*save)(struct task *t, const struct plan *p, void *note, struct err *e);
	int (*inside)(struct task *t, struct err *e);
	int (*thread_read)(struct thread *t, struct err *e);
	int (*thread_ask)(struct thread *t, struct plan *p, void **note, struct err *e);
	int (*thread_save)(struct thread *t, const struct plan *p, void *note, struct err *e);
	/* Once, when all tasks are done: writes an image of the whole dump (seccomp.img). */
	int (*finish)(struct dump *d, struct err *e);
};

extern const struct task_kind *const task_kinds[];
extern const size_t task_kind_count;

/* Saves the tree opt->tree into the images directory. */
must_check int dump_run(const struct options *opt, struct err *e);
/* Saves its memory only, while it runs, for dumps that come later. */
must_check int pre_dump_run(const struct options *opt, struct err *e);

#endif
