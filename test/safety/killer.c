/*
 * killer WHO MICROSECONDS COMMAND...: runs the command and kills it after that time. WHO is 'command', 'child' (the one
 * process that it has started), 'both', or 'nobody'. Waits until everything that came of it is gone, and says on
 * standard output what there was to say: 'killed' or the exit status of the command; then, if something does not go
 * away, 'left' and the pids. The status is 0 in any case.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 3000 };

static size_t children(int pid, int *ret, size_t room)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	while (f && n < room && fscanf(f, "%d", &ret[n]) == 1)
		n++;
	if (f)
		fclose(f);
	return n;
}

static void kill_it(const char *who, int pid)
{
	int child = 0;

	if (strcmp(who, "nobody") == 0)
		return;
	if (strcmp(who, "command") != 0 && children(pid, &child, 1) == 1)
		kill(child, SIGKILL);
	if (strcmp(who, "child") != 0)
		kill(pid, SIGKILL);
}

/* What has lost its parent comes to us. */
static void wait_for_rest(int living)
{
	int pids[1000];
	size_t n;

	for (int ms = 0; ms < PATIENCE_MS; ms += 2) {
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			;
		if (children(getpid(), pids, 1000) == 0)
			return;
		/* A restore that went well leaves what it has restored. */
		if (living && ms > 20)
			return;
		usleep(2000);
	}
	n = children(getpid(), pids, 1000);
	printf("left");
	for (size_t i = 0; i < n; i++)
		printf(" %d", pids[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	int pid, status = 0;

	if (argc < 4)
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	if (pid == 0) {
		execv(argv[3], argv + 3);
		_exit(127);
	}
	usleep(atoi(argv[2]));
	kill_it(argv[1], pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		printf("killed\n");
	else
		printf("%d\n", WEXITSTATUS(status));
	fflush(stdout);
	wait_for_rest(status == 0);
	return 0;
}
