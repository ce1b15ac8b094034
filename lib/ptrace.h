/*
 * ptrace(2) with names: a wait status is decoded here and nowhere else, registers and signal masks are
 * read and written here. Threads are always seized, never attached to.
 */
#ifndef STASIS_LIB_PTRACE_H
#define STASIS_LIB_PTRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "lib/err.h"

enum stop_kind {
	STOP_INTERRUPT, /* PTRACE_INTERRUPT, or the first stop of an auto-attached child */
	STOP_GROUP,	/* the thread group is stopped; value: the signal that did it */
	STOP_SIGNAL,	/* value: a signal is about to be delivered */
	STOP_SYSCALL,	/* entry or exit under PTRACE_SYSCALL */
	STOP_EVENT,	/* value: PTRACE_EVENT_... */
	STOP_EXITED,	/* value: exit status */
	STOP_KILLED,	/* value: signal */
};

struct stop {
	enum stop_kind kind;
	int value;
};

struct stop stop_decode(int status);
/* "exited with status 1", "was killed by signal 9", "stopped by signal 5"... */
const char *stop_text(struct stop s, char *buf, size_t size);

must_check int tracee_seize(int tid, unsigned long options, struct err *e);
must_check int tracee_set_options(int tid, unsigned long options, struct err *e);
must_check int tracee_interrupt(int tid, struct err *e);
/*
 * Waits for that thread alone. -EINTR if a signal comes to us. A STOP_SIGNAL has to be let go on (tracee_go) with its
 * signal; it is reported again until then.
 */
must_check int tracee_wait(int tid, struct stop *ret, struct err *e);
/*
 * The same, whatever signals come to us. Other threads that have died meanwhile are reaped: as long as they are not,
 * the kernel keeps the end of their leader to itself.
 */
must_check int tracee_await(int tid, struct stop *ret, struct err *e);
/* What it has reported, by now. 1: something; 0: nothing; -ECHILD: it is no tracee of ours. */
must_check int tracee_look(int tid, struct stop *ret, struct err *e);
/* Whether a thread, which may have ended, is a tracee of ours. */
bool tracee_is_ours(int tid);
/* Waits for the report of any. 1; 0: it has gone again; -EINTR if a signal comes to us. */
must_check int tracee_next(int *ret_tid, struct stop *ret, struct err *e);
/*
 * A handler for a signal that is to end waiting. PTRACE_SEIZE waits while a thread of the same process is in execve(), and
 * that for the other threads, which may be tracees of ours that nobody looks after meanwhile. The kernel would make the call
 * again by itself; behind this handler it fails with EINTR instead.
 */
void tracee_on_tick(int sig, siginfo_t *info, void *context);
/* What any of our tracees has reported; a STOP_SIGNAL as with tracee_wait. False: nothing now. */
bool tracee_any(int *ret_tid, struct stop *ret);
/* For a thread that has been interrupted and stops for something else first: delivers it, and interrupts again. */
must_check int tracee_pass(int tid, struct stop s, struct err *e);
/* Both: until a thread that has been interrupted stands still for that, or with its group. -ESRCH if it dies. */
must_check int tracee_settle(int tid, struct stop *ret, struct err *e);
/* Whether a tracee stands at its PTRACE_EVENT_EXIT, and that is still to be taken. */
bool tracee_ends(int tid);
/* Whether the thread is dead; reaps it if so. */
bool tracee_reap(int tid);
/* request: PTRACE_CONT, PTRACE_SYSCALL, PTRACE_LISTEN; signal 0: none. */
must_check int tracee_go(int tid, int request, int signal, struct err *e);
/* Never fails: a tracee that is gone needs no detaching. */
void tracee_detach(int tid, int signal);

must_check int tracee_get_regs(int tid, struct user_regs_struct *ret, struct err *e);
must_check int tracee_set_regs(int tid, const struct user_regs_struct *regs, struct err *e);
must_check int tracee_get_mask(int tid, uint64_t *ret, struct err *e);
must_check int tracee_set_mask(int tid, uint64_t mask, struct err *e);
/* NT_X86_XSTATE in standard layout; *size is the buffer's and becomes what there is. */
must_check int tracee_get_xstate(int tid, void *buf, size_t *size, struct err *e);
must_check int tracee_set_xstate(int tid, const void *buf, size_t size, struct err *e);
/* Bytes of NT_X86_XSTATE on this processor, an upper bound. */
size_t xstate_size_max(void);

/*
 * Makes the stopped thread run to a STOP_INTERRUPT from wherever it is, so that the kernel looks at its
 * registers for a system call to restart when it goes on. Signals that come in between are delivered.
 */
must_check int tracee_park(int tid, struct err *e);

#endif
