/* A robust mutex whose owner dies after the restore: the next one is told, so the kernel knows the list. */
#include <pthread.h>

#include "test/lib/victim.h"

int main(void)
{
	pthread_mutex_t *mutex = victim_shared(4096);
	pthread_mutexattr_t attr;
	pid_t owner;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attr);
	owner = victim_fork();
	if (owner == 0) {
		SAME(pthread_mutex_lock(mutex), 0);
		victim_set();
		victim_wait();
		_exit(0);
	}
	victim_ready();
	victim_reap(owner);
	SAME(pthread_mutex_lock(mutex), EOWNERDEAD);
	SAME(pthread_mutex_consistent(mutex), 0);
	SAME(pthread_mutex_unlock(mutex), 0);
	victim_ok();
}
