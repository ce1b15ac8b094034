/* Registers of a thread as the kernel takes them, from its image; restore/task/regs.c. */
#ifndef STASIS_RESTORE_REGS_H
#define STASIS_RESTORE_REGS_H

#include <sys/user.h>

#include "restore/restore.h"

/*
 * A thread that was in a system call gets the registers that it had on its way out, so the kernel decides whether to
 * make the call again: they have to be set in a stop in which it does so (see tracee_park).
 */
must_check int regs_from_image(const struct rthread *th, struct user_regs_struct *ret,
			       struct err *e);
/* buf: NT_X86_XSTATE in standard layout as PTRACE_GETREGSET gives it for a fresh thread, size bytes. */
must_check int xstate_of_thread(const struct rthread *th, void *buf, size_t size, struct err *e);

#endif
