/* Probes of what concerns tasks: pids, signals, ptrace, seccomp, timers, namespaces. */
#include "lib/kernel_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/own.h"
#include "lib/proc.h"

/* Newer than the headers of Debian 12. */
#define PR_TIMER_CREATE_RESTORE_IDS 77
#define PR_TIMER_CREATE_RESTORE_IDS_GET 2
#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9)

/* Our own pid is taken, and only whoever may choose pids is told so. */
bool probe_clone3_set_tid(void)
{
	pid_t pid = getpid();
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long r = syscall(SYS_clone3, &args, sizeof(args));

	if (r == 0)
		_exit(0);
	if (r > 0)
		waitpid((pid_t)r, NULL, 0);
	return r < 0 && errno == EEXIST;
}

/* Sets our own memory layout to what it is. */
static bool set_own_layout(void)
{
	struct prctl_mm_map map = { .exe_fd = -1 };
	struct proc_stat stat;
	struct err e = {};
	own_fd fd = -1;

	if (proc_open(getpid(), &fd, &e) < 0 || proc_stat_read(fd, &stat, &e) < 0)
		return false;
	map.start_code = stat.start_code;
	map.end_code = stat.end_code;
	map.start_data = stat.start_data;
	map.end_data = stat.end_data;
	map.start_brk = stat.start_brk;
	map.brk = (uintptr_t)sbrk(0);
	map.start_stack = stat.start_stack;
	map.arg_start = stat.arg_start;
	map.arg_end = stat.arg_end;
	map.env_start = stat.env_start;
	map.env_end = stat.env_end;
	return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0) == 0;
}

bool probe_mm_map(void)
{
	return probe_in_child(set_own_layout);
}

static bool set_layout_in_userns(void)
{
	return unshare(CLONE_NEWUSER) == 0 && set_own_layout();
}

bool probe_userns(void)
{
	return probe_in_child(set_layout_in_userns);
}

/* A file that is no program: EACCES and ENOSYS come earlier than this answer. */
static bool exec_memfd(void)
{
	own_fd fd = memfd_create("probe", MFD_CLOEXEC);

	if (fd < 0 || write(fd, "no program", 10) != 10)
		return false;
	syscall(SYS_execveat, fd, "", (char *[]){ "probe", NULL }, NULL, AT_EMPTY_PATH);
	return errno == ENOEXEC;
}

bool probe_exec_memfd(void)
{
	return probe_in_child(exec_memfd);
}

bool probe_pidfd_getfd(void)
{
	own_fd null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	own_fd pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	own_fd fd = (int)syscall(SYS_pidfd_getfd, pidfd, null, 0);

	return fd >= 0;
}

bool probe_kcmp(void)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0) == 0;
}

bool probe_kcmp_epoll(void)
{
	own_fd set = epoll_create1(EPOLL_CLOEXEC);
	own_fd target = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	struct kcmp_epoll_slot slot = { .efd = (unsigned)set, .tfd = (unsigned)target };

	return epoll_ctl(set, EPOLL_CTL_ADD, target, &event) == 0 &&
	       syscall(SYS_kcmp, getpid(), getpid(), KCMP_EPOLL_TFD, target, &slot) == 0;
}

static bool ask_peek_siginfo(pid_t pid)
{
	struct __ptrace_peeksiginfo_args args = { .nr = 1 };
	siginfo_t info;

	return ptrace(PTRACE_PEEKSIGINFO, pid, &args, &info) == 0;
}

bool probe_peek_siginfo(void)
{
	return probe_stopped_child(NULL, ask_peek_siginfo);
}

static bool ask_sigmask(pid_t pid)
{
	uint64_t mask;

	return ptrace(PTRACE_GETSIGMASK, pid, sizeof(mask), &mask) == 0 &&
	       ptrace(PTRACE_SETSIGMASK, pid, sizeof(mask), &mask) == 0;
}

bool probe_sigmask(void)
{
	return probe_stopped_child(NULL, ask_sigmask);
}

/* Only to oneself may a signal be sent as if it came from the kernel. */
static bool queue_siginfo(void)
{
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_KERNEL };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigprocmask(SIG_BLOCK, &set, NULL) == 0 &&
	       syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info) == 0;
}

bool probe_queue_siginfo(void)
{
	return probe_in_child(queue_siginfo);
}

bool probe_tid_address(void)
{
	int *address;

	return prctl(PR_GET_TID_ADDRESS, &address) == 0;
}

static bool install_filter(void)
{
	struct sock_filter allow[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog program = { ARRAY_SIZE(allow), allow };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static bool ask_filters(pid_t pid)
{
	return ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL) == 1;
}

bool probe_seccomp_filters(void)
{
	return probe_stopped_child(install_filter, ask_filters);
}

static bool ask_suspend(pid_t pid)
{
	return ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_SUSPEND_SECCOMP) == 0;
}

bool probe_seccomp_suspend(void)
{
	return probe_stopped_child(NULL, ask_suspend);
}

static bool ask_rseq(pid_t pid)
{
	struct __ptrace_rseq_configuration conf;

	return ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pid, sizeof(conf), &conf) == sizeof(conf);
}

bool probe_get_rseq_conf(void)
{
	return probe_stopped_child(NULL, ask_rseq);
}

static bool ask_dispatch(pid_t pid)
{
	uint64_t config[4];

	return ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, pid, sizeof(config), config) == 0;
}

bool probe_syscall_user_dispatch(void)
{
	return probe_stopped_child(NULL, ask_dispatch);
}

/* An execution breakpoint in slot 0. */
static bool ask_breakpoint(pid_t pid)
{
	size_t slot = offsetof(struct user, u_debugreg);
	size_t control = slot + 7 * sizeof(long);

	return ptrace(PTRACE_POKEUSER, pid, slot, (void *)ask_breakpoint) == 0 &&
	       ptrace(PTRACE_POKEUSER, pid, control, (void *)1L) == 0;
}

bool probe_breakpoints(void)
{
	return probe_stopped_child(NULL, ask_breakpoint);
}

bool probe_timer_cr_ids(void)
{
	return prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_GET, 0, 0, 0) >= 0;
}

bool probe_membarrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_GET_REGISTRATIONS, 0, 0) >= 0;
}

static bool new_cgroupns(void)
{
	return unshare(CLONE_NEWCGROUP) == 0;
}

bool probe_cgroupns(void)
{
	return probe_in_child(new_cgroupns);
}

static bool new_timens(void)
{
	return unshare(CLONE_NEWTIME) == 0 && access("/proc/self/timens_offsets", W_OK) == 0;
}

bool probe_timens(void)
{
	return probe_in_child(new_timens);
}

/* Sets the login uid to what it is; the audit system may forbid that once it is set. */
static bool set_loginuid(void)
{
	own_fd fd = open("/proc/self/loginuid", O_RDWR | O_CLOEXEC);
	char uid[16];
	ssize_t n = fd < 0 ? -1 : read(fd, uid, sizeof(uid));

	return n > 0 && pwrite(fd, uid, n, 0) == n;
}

bool probe_loginuid(void)
{
	return probe_in_child(set_loginuid);
}

bool probe_ns_pid(void)
{
	return probe_file_holds("/proc/self/status", "\nNSpid:");
}

bool probe_apparmor_stacking(void)
{
	return access("/sys/kernel/security/apparmor/.ns_stacked", R_OK) == 0;
}
