/*
 * Filters: several in one thread, others in another, shared ones inherited, and one that kills for the
 * very calls that a dump would like to make inside the process.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

/* From now on this thread's call nr does as action says. */
static void forbid(long nr, uint32_t action, unsigned int flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	SYS(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SYS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
}

static void expect(long nr, int error)
{
	long r = syscall(nr, 0, 0, 0);

	if (error)
		CHECK(r == -1 && errno == error, "call %ld gave %ld, errno %d", nr, r, errno);
	else
		CHECK(r != -1, "call %ld: %s", nr, strerror(errno));
}

static int filters(void)
{
	return victim_own("status", "Seccomp_filters:", 10);
}

static void *more(void *arg)
{
	forbid(SYS_getuid, SECCOMP_RET_ERRNO | 22, SECCOMP_FILTER_FLAG_LOG);
	forbid(SYS_getgid, SECCOMP_RET_ERRNO | 33, 0);
	/* The later of two that agree on the kind of answer wins. */
	forbid(SYS_getgid, SECCOMP_RET_ERRNO | 44, 0);
	victim_set();
	victim_wait();
	SAME(filters(), 4);
	expect(SYS_getppid, 11);
	expect(SYS_getuid, 22);
	expect(SYS_getgid, 44);
	expect(SYS_geteuid, 0);
	return arg;
}

static void *hostile(void *arg)
{
	static const int deadly[] = { SYS_mmap, SYS_mprotect, SYS_prctl, SYS_getitimer,
				      SYS_sigaltstack };

	/* Gets the thread the memory that it will need, while it may. */
	SAME(filters(), 1);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (deadly[i] != SYS_prctl)
			forbid(deadly[i], SECCOMP_RET_KILL_PROCESS, 0);
	forbid(SYS_prctl, SECCOMP_RET_KILL_PROCESS, 0);
	victim_set();
	victim_wait();
	SAME(filters(), 6);
	return arg;
}

static void *free_of_all(void *arg)
{
	victim_set();
	victim_wait();
	SAME(filters(), 0);
	expect(SYS_getppid, 0);
	expect(SYS_getuid, 0);
	return arg;
}

int main(void)
{
	pid_t child;

	victim_thread(free_of_all, NULL);
	forbid(SYS_getppid, SECCOMP_RET_ERRNO | 11, 0);
	victim_thread(more, NULL);
	victim_thread(hostile, NULL);
	child = victim_fork();
	if (child == 0) {
		forbid(SYS_getuid, SECCOMP_RET_ERRNO | 55, 0);
		victim_set();
		victim_wait();
		SAME(filters(), 2);
		expect(SYS_getuid, 55);
		expect(SYS_getppid, 11);
		_exit(0);
	}
	victim_ready();
	SAME(filters(), 1);
	expect(SYS_getppid, 11);
	expect(SYS_getuid, 0);
	victim_reap(child);
	victim_join();
	victim_ok();
}
