/* See witness.h. */
#include "lazy/witness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/own.h"

static void close_others(const int keep[3])
{
	for (int fd = 0, i = 0; i <= 3; i++) {
		int next = -1;

		for (int k = 0; k < 3; k++)
			if (keep[k] >= fd && (next < 0 || keep[k] < next))
				next = keep[k];
		if (next != fd)
			syscall(SYS_close_range, fd, next < 0 ? ~0U : (unsigned int)next - 1, 0);
		fd = next + 1;
	}
}

static _Noreturn void watch(int line, int uffd, int process)
{
	struct pollfd end = { .fd = process, .events = POLLIN };
	char done;

	prctl(PR_SET_NAME, "stasis-witness");
	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGTERM || sig == SIGINT || sig == SIGHUP ? SIG_IGN : SIG_DFL);
	(void)!chdir("/");
	close_others((int[]){ line, uffd, process });
	if (read(line, &done, 1) == 1)
		_exit(0);
	syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	_exit(0);
}

int witness_begin(int pid, int uffd, int *ret_line, struct err *e)
{
	int ends[2];
	own_fd process = syscall(SYS_pidfd_open, pid, 0);
	pid_t child;

	if (process < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "prepare to watch over pid %d", pid);
	child = fork();
	if (child == 0) {
		close(ends[0]);
		watch(ends[1], uffd, process);
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return err_sys(e, "fork");
	}
	*ret_line = ends[0];
	return 0;
}

void witness_end(int *line)
{
	if (*line < 0)
		return;
	(void)!send(*line, "", 1, MSG_NOSIGNAL);
	close(*line);
	*line = -1;
}
