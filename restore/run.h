/* Running plans in the tasks of a restore, several at once, and watching over all of them. */
#ifndef STASIS_RESTORE_RUN_H
#define STASIS_RESTORE_RUN_H

#include <sys/user.h>

#include "lib/ptrace.h"
#include "restore/restore.h"

/* Births are not reported by the creator, which would stop each time: what plans create is traced by CLONE_PTRACE. */
enum { RUN_OPTIONS = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD };

must_check int runs_open(struct restore *r, struct err *e);
void runs_close(struct restore *r);

/* Threads are called here by the numbers that we see (rthread.here). */

/* A traced thread that stands still is known from now on; base: registers with the right segments. */
must_check int run_adopt(struct restore *r, int tid, struct err *e);
/* What every plan starts from. Set once, from the stub. */
void run_set_base(struct restore *r, const struct user_regs_struct *base);
/* Lets the thread run the plan; it is put back by run_wait. what: said in errors ("files of pid 7"). */
must_check int run_start(struct restore *r, int tid, struct plan *p, const char *what,
			 struct err *e);
/* Waits until all started plans have ended; the first that failed is the error. Newborn threads are adopted. */
must_check int run_wait(struct restore *r, struct err *e);
/* Both, for one. Frees the plan. */
must_check int run_one(struct restore *r, int tid, struct plan *p, const char *what, struct err *e);
/* Waits until the thread that a plan has cloned stands still before its first instruction. */
must_check int run_await_birth(struct restore *r, struct rthread *th, struct err *e);
/* The thread will end by its plan (exit, a signal): waits until it has. */
must_check int run_to_death(struct restore *r, int tid, struct plan *p, struct err *e);
/* One system call made by hand in a thread that stands still. */
struct hand_call {
	long nr;
	uint64_t args[PLAN_ARGS];
	int64_t result;
};
must_check int run_syscall(struct restore *r, int tid, struct hand_call *c, struct err *e);
/* The same in three parts, so that many threads can be on their way at once: begin, step, end. */
must_check int run_syscall_begin(struct restore *r, int tid, const struct hand_call *c,
				 struct err *e);
must_check int run_syscall_step(int tid, struct err *e);
must_check int run_syscall_end(int tid, struct hand_call *c, struct err *e);
/* Ends everything that is known and waits until it is gone. */
void run_kill_all(struct restore *r);

#endif
