/*
 * The runner in processes that live: brought in, used, and taken out without a trace. Several processes at once,
 * because most of the time goes in waiting for one of them.
 *
 * What has been changed in the target is written down in a struct injection before it is changed. It
 * lies in memory shared with the guardian, so that inject_heal() can undo it after the tracer was
 * killed: a thread whose tracer dies runs on from where it is, which is why everything that a thread
 * of the target is ever pointed at ends in a loop, and never in a trap. A plan that runs at that moment goes no further:
 * a robust futex that the tracer holds tells the runner (parasite/wire.h).
 *
 * The one instruction that has to be in the target before anything of ours is mapped ("syscall; jmp .")
 * is put into the unused bytes of the vdso's ELF header, where nobody runs, and only while it is used. The two calls that
 * are made there, mmap and munmap, are all that a filter of the target could see if we were killed in the middle.
 */
#ifndef STASIS_PARASITE_INJECT_H
#define STASIS_PARASITE_INJECT_H

#include <stdbool.h>
#include <sys/user.h>

#include "lib/err.h"
#include "parasite/plan.h"

struct inject_thread {
	int tid;
	bool changed; /* its registers and mask are not its own */
	bool runs;    /* a plan, and has not been seen to stop */
	/* What it gets back. One inside a restartable sequence has to be at the abort handler already. */
	struct user_regs_struct regs;
	uint64_t mask;
};

struct injection {
	int pid;
	bool live;	    /* somebody has to call inject_close or inject_heal */
	uint64_t site;	    /* address of the word that takes the system call instruction */
	uint64_t site_word; /* what it held */
	bool site_changed;
	uint64_t arena_at, arena_size;
	bool parked;	  /* the leader has stopped where the kernel looks at its registers */
	bool arena_tried; /* the mapping may be there */
	const int *
		had; /* if set: the descriptors that it had; it may have more now, which are ours */
	uint32_t had_count;
	bool may_hold_uffd; /* a userfaultfd of ours may be in its table of descriptors; it had none before */
	struct arena arena; /* arena.here is the injecting process's */
	uint32_t thread_count;
	struct inject_thread *threads; /* [0] is the leader, which makes the system calls */
};

struct inject_plan {
	struct injection *i;
	uint32_t which; /* thread that runs it */
	struct plan plan;
};

/*
 * Maps an arena of arena_size bytes at the free address arena_at, in each of them. All threads are stopped; these and
 * site, an aligned word in executable memory that nobody runs through, are filled in.
 */
must_check int inject_open(struct injection *const *i, size_t count, struct err *e);
/* Runs the plans at once; each must be alone in its thread. */
must_check int inject_run(struct inject_plan *p, size_t count, struct err *e);
/*
 * Unmaps the arenas; all threads get their own registers and masks back and stay stopped. Those that are not live are
 * left out, and what fails for one does not keep the others from it.
 */
must_check int inject_close(struct injection *const *i, size_t count, struct err *e);
/* The number of a userfaultfd in the table of descriptors of a process, -1: there is none. */
int inject_find_uffd(int pid);
/* The guardian's inject_close: seizes what is in our hands first, and lets it go at the end. */
void inject_heal(struct injection *i);

#endif
