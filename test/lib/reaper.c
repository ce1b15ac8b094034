/*
 * Runs a command and reaps, at once, every process that loses its parent meanwhile. Process 1 of a container or a small
 * virtual machine may take seconds for that, and until then the pid of what was dumped is in use.
 *
 *     reaper COMMAND [ARGUMENTS]      exits as the command does
 */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status = 0, its = 0;
	pid_t command, got;

	if (argc < 2)
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	command = fork();
	if (command == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	/* Whoever is left when the command is gone goes to the next reaper above. */
	while ((got = wait(&status)) > 0 || errno == EINTR)
		if (got == command) {
			its = status;
			break;
		}
	return WIFEXITED(its) ? WEXITSTATUS(its) : 128 + WTERMSIG(its);
}
