/* Children that hand over to themselves all the while, by a thread that is not their first. None of them ever ends. */
#include "test/lib/victim.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

enum { CHILDREN = 3 };

static void *next_life(void *arg)
{
	char *const argv[] = { "exec", "again", NULL };

	(void)arg;
	SYS(execve("/proc/self/exe", argv, environ));
	return NULL;
}

_Noreturn static void live(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, next_life, NULL);
	CHECK(errno == 0, "%s", strerror(errno));
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	pid_t child[CHILDREN];
	int status;

	(void)argv;
	if (argc > 1)
		live();
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = SYS(fork());
		if (child[i] == 0)
			next_life(NULL);
	}
	victim_ready();
	for (int i = 0; i < CHILDREN; i++) {
		SYS(kill(child[i], SIGKILL));
		SYS(waitpid(child[i], &status, 0));
		CHECK(WIFSIGNALED(status), "child %d ended with 0x%x", i, status);
	}
	victim_ok();
}
