/* Which interrupted system calls can simply be made again; see dump/task/restart.c. */
#ifndef STASIS_DUMP_RESTART_H
#define STASIS_DUMP_RESTART_H

#include <stdbool.h>
#include <sys/user.h>

/*
 * Whether the call that r stopped in, on its way out with this error (EINTR or ERESTART_RESTARTBLOCK, 516), may be
 * made again as its arguments stand.
 */
bool restart_again(const struct user_regs_struct *r, int error);
/* Changes the registers of a stopped thread so that the call is made again, if it may be. True: they are changed. */
bool restart_mend(int tid, struct user_regs_struct *r);

#endif
