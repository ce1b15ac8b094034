/* Children stopped by a signal stay stopped, threads and all, and go on when they are told to. */
#include <signal.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static volatile uint64_t *counts;

static void *count(void *arg)
{
	victim_set();
	while (counts[2] == 0)
		++*(volatile uint64_t *)arg;
	return NULL;
}

static pid_t child(int number)
{
	pid_t pid = victim_fork();

	if (pid > 0)
		return pid;
	/* A process group that nobody leads from outside would not be stopped by SIGTSTP. */
	SYS(setpgid(0, 0));
	victim_thread(count, (void *)&counts[number]);
	victim_set();
	victim_wait();
	victim_join();
	_exit(0);
}

static char state_of(pid_t pid)
{
	char path[32], text[512];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	CHECK(file && fgets(text, sizeof(text), file));
	fclose(file);
	return strrchr(text, ')')[2];
}

int main(void)
{
	static const int by[] = { SIGSTOP, SIGTSTP };
	uint64_t was[2];
	pid_t pids[2];
	int status;

	counts = victim_shared(4096);
	for (int i = 0; i < 2; i++) {
		pids[i] = child(i);
		SYS(kill(pids[i], by[i]));
		SYS(waitpid(pids[i], &status, WUNTRACED));
		CHECK(WIFSTOPPED(status));
		SAME(WSTOPSIG(status), by[i]);
		was[i] = counts[i];
	}
	victim_ready();
	victim_sleep_ms(50);
	for (int i = 0; i < 2; i++) {
		SAME(state_of(pids[i]), 'T');
		SAME(counts[i], was[i]);
	}
	for (int i = 0; i < 2; i++) {
		SYS(kill(pids[i], SIGCONT));
		while (counts[i] == was[i])
			victim_sleep_ms(1);
	}
	counts[2] = 1;
	for (int i = 0; i < 2; i++)
		victim_reap(pids[i]);
	victim_ok();
}
