/*
 * The kinds of task state, in the order in which they are read, asked and saved. Where that matters it is said.
 */
#include "dump/dump.h"

#define KINDS                                                                                   \
	KIND(unsupported)                                                                       \
	/* Both change the registers, which are saved behind them. */                           \
	KIND(restart)                                                                           \
	KIND(rseq)                                                                              \
	KIND(regs)                                                                              \
	KIND(xfeatures)                                                                         \
	KIND(comm)                                                                              \
	KIND(sigactions)                                                                        \
	KIND(sigaltstack)                                                                       \
	/* Takes timers' signals and puts them back before it is asked how the timers stand. */ \
	KIND(sigpending)                                                                        \
	KIND(itimers)                                                                           \
	KIND(posix_timers)                                                                      \
	KIND(creds)                                                                             \
	KIND(seccomp)                                                                           \
	KIND(rlimits)                                                                           \
	KIND(sched)                                                                             \
	KIND(ioprio)                                                                            \
	KIND(mempolicy)                                                                         \
	KIND(timerslack)                                                                        \
	KIND(personality)                                                                       \
	KIND(prctls)                                                                            \
	KIND(pdeathsig)                                                                         \
	KIND(subreaper)                                                                         \
	KIND(membarrier)                                                                        \
	KIND(robust_list)                                                                       \
	KIND(tid_address)                                                                       \
	KIND(oom_score_adj)                                                                     \
	KIND(cgroup)                                                                            \
	KIND(loginuid)                                                                          \
	KIND(coredump_filter)                                                                   \
	KIND(mm)                                                                                \
	KIND(dumpable)                                                                          \
	KIND(thp)                                                                               \
	KIND(sysvipc)                                                                           \
	/* Writes down what the others have left over. */                                       \
	KIND(extra)

#define KIND(name) extern const struct task_kind name##_task_kind;
KINDS
#undef KIND

#define KIND(name) &name##_task_kind,
const struct task_kind *const task_kinds[] = { KINDS };
#undef KIND

const size_t task_kind_count = ARRAY_SIZE(task_kinds);
