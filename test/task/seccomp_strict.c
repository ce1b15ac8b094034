/* A child that may only read, write and return from signals: it still may after restore, and nothing else. */
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

int main(void)
{
	int to[2], from[2], status;
	char byte = 0;
	pid_t child;

	SYS(pipe(to));
	SYS(pipe(from));
	child = victim_fork();
	if (child == 0) {
		victim_set();
		SYS(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		while (read(to[0], &byte, 1) == 1 && byte != 'x')
			write(from[1], &byte, 1);
		syscall(SYS_getpid);
		for (;;)
			;
	}
	victim_blocked(child, SYS_read);
	victim_ready();
	SYS(write(to[1], "a", 1));
	SAME(SYS(read(from[0], &byte, 1)), 1);
	SAME(byte, 'a');
	SYS(write(to[1], "x", 1));
	SYS(waitpid(child, &status, 0));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "wait status 0x%x", status);
	victim_ok();
}
