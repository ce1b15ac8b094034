/* The dead whom nobody has asked for yet: their exit codes and signals, and their groups. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static const struct {
	int code, signal;
	bool session;
} dead[] = {
	{ .code = 0 },	       { .code = 7 },	      { .code = 255, .session = true },
	{ .signal = SIGKILL }, { .signal = SIGTERM }, { .signal = SIGABRT, .session = true },
	{ .signal = 63 },      { .signal = SIGTRAP },
};

#define DEAD (sizeof(dead) / sizeof(dead[0]))

static pid_t die(int i)
{
	pid_t pid = SYS(fork());

	if (pid > 0)
		return pid;
	if (dead[i].session)
		SYS(setsid());
	if (dead[i].signal)
		kill(getpid(), dead[i].signal);
	_exit(dead[i].code);
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };
	pid_t pids[DEAD];
	siginfo_t info;

	SYS(setrlimit(RLIMIT_CORE, &no_core));
	for (size_t i = 0; i < DEAD; i++) {
		pids[i] = die(i);
		SYS(waitid(P_PID, pids[i], &info, WEXITED | WNOWAIT));
	}
	victim_ready();
	for (size_t i = 0; i < DEAD; i++) {
		SYS(waitid(P_PID, pids[i], &info, WEXITED | WNOHANG));
		SAME(info.si_pid, pids[i]);
		SAME(info.si_code, dead[i].signal ? CLD_KILLED : CLD_EXITED);
		SAME(info.si_status, dead[i].signal ? dead[i].signal : dead[i].code);
		SAME(info.si_uid, getuid());
	}
	CHECK(wait(NULL) < 0 && errno == ECHILD);
	victim_ok();
}
