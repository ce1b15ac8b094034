/* Registers of a thread as the kernel takes them, from its image; restore/task/regs.c. */
#ifndef STASIS_RESTORE_REGS_H
#define STASIS_RESTORE_REGS_H

#include <sys/user.h>

#include "images/core.pb-c.h"
#include "lib/err.h"

must_check int regs_from_image(const CoreEntry *core, struct user_regs_struct *ret, struct err *e);
/* buf: NT_X86_XSTATE in standard layout as PTRACE_GETREGSET gives it for a fresh thread, size bytes. */
must_check int xstate_from_image(const CoreEntry *core, void *buf, size_t size, struct err *e);

#endif
