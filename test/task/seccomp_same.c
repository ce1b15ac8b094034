/* Many threads that share their filters: all still have them, and the newest counts first. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

enum { THREADS = 20 };

static void forbid(long nr, unsigned int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };

	SYS(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program));
}

static void look(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/status", syscall(SYS_gettid));
	SAME(victim_proc(path, "Seccomp_filters:", 10), 3);
	CHECK(syscall(SYS_getuid) == -1 && errno == 11);
	CHECK(syscall(SYS_getgid) == -1 && errno == 33);
	SYS(syscall(SYS_geteuid));
	SAME(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
}

static void *thread(void *arg)
{
	victim_set();
	victim_wait();
	look();
	return arg;
}

int main(void)
{
	for (int i = 0; i < THREADS; i++)
		victim_thread(thread, NULL);
	forbid(SYS_getuid, 11);
	forbid(SYS_getgid, 22);
	forbid(SYS_getgid, 33);
	victim_ready();
	look();
	victim_join();
	victim_ok();
}
