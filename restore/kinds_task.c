/*
 * The kinds of task state, in the order in which each stage takes them. Where that matters it is said.
 */
#include "restore/restore.h"

#define KINDS                                                                            \
	/* What the others read. */                                                      \
	KIND(extra)                                                                      \
	/* Changes the registers as they are loaded. */                                  \
	KIND(restart)                                                                    \
	KIND(regs)                                                                       \
	KIND(xfeatures)                                                                  \
	KIND(mm)                                                                         \
	KIND(thp)                                                                        \
	KIND(membarrier)                                                                 \
	KIND(comm)                                                                       \
	KIND(tid_address)                                                                \
	KIND(robust_list)                                                                \
	KIND(rseq)                                                                       \
	KIND(sigaltstack)                                                                \
	/* A signal that is set to be ignored is thrown away if it waits. */             \
	KIND(sigactions)                                                                 \
	KIND(sigpending)                                                                 \
	KIND(oom_score_adj)                                                              \
	KIND(cgroup)                                                                     \
	KIND(loginuid)                                                                   \
	KIND(coredump_filter)                                                            \
	KIND(sysvipc)                                                                    \
	/* From here on: all that needs privileges, giving them up, what that resets. */ \
	KIND(seccomp)                                                                    \
	KIND(rlimits)                                                                    \
	KIND(sched)                                                                      \
	KIND(ioprio)                                                                     \
	KIND(mempolicy)                                                                  \
	KIND(timerslack)                                                                 \
	KIND(personality)                                                                \
	KIND(prctls)                                                                     \
	KIND(creds)                                                                      \
	KIND(dumpable)                                                                   \
	KIND(pdeathsig)                                                                  \
	KIND(subreaper)                                                                  \
	/* Time runs from here on. */                                                    \
	KIND(posix_timers)                                                               \
	KIND(itimers)

#define KIND(name) extern const struct restore_kind name##_restore_kind;
KINDS
#undef KIND

#define KIND(name) &name##_restore_kind,
const struct restore_kind *const restore_kinds[] = { KINDS };
#undef KIND

const size_t restore_kind_count = ARRAY_SIZE(restore_kinds);
