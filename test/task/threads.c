/* Hundreds of threads: each keeps its tid, its thread-local variables, its stack and its name. */
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

static __thread pid_t mine;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int seen;
static long child_of = -1; /* number of the thread that has one */

static int feed[2];
static pid_t child;

/* Its parent is the process, but only this thread has it among its children. */
static void have_child(void)
{
	char code = 0;

	CHECK(pipe(feed) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child > 0)
		return;
	_exit(read(feed[0], &code, 1) == 1 ? code : 1);
}

static void ask_child(void)
{
	int status = 0;

	CHECK(write(feed[1], "*", 1) == 1);
	SAME(waitpid(child, &status, 0), child);
	SAME(status, '*' << 8);
}

static void *thread(void *arg)
{
	char name[16], now[16];
	long on_stack = (long)arg * 3;

	mine = syscall(SYS_gettid);
	snprintf(name, sizeof(name), "thread %ld", (long)arg);
	pthread_setname_np(pthread_self(), name);
	if ((long)arg == child_of)
		have_child();
	victim_set();
	victim_wait();
	SAME(syscall(SYS_gettid), mine);
	SAME(on_stack, (long)arg * 3);
	pthread_getname_np(pthread_self(), now, sizeof(now));
	CHECK(strcmp(now, name) == 0, "it is '%s', it was '%s'", now, name);
	pthread_mutex_lock(&mutex);
	seen++;
	pthread_mutex_unlock(&mutex);
	return NULL;
}

static void *after(void *arg)
{
	victim_set();
	return arg;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 300;
	pid_t tids[count];

	if (argc > 2)
		child_of = atoi(argv[2]);
	for (long i = 0; i < count; i++) {
		tids[i] = victim_thread(thread, (void *)i);
		CHECK(tids[i] > 0);
	}
	victim_ready();
	/* Joining needs the kernel to clear the tid of each thread that ends. */
	victim_join();
	SAME(seen, count);
	if (child)
		ask_child();
	victim_thread(after, NULL);
	victim_join();
	victim_ok();
}
