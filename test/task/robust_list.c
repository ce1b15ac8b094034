/* A robust mutex whose owner dies after the restore: the next one is told, so the kernel knows the list. */
#include <pthread.h>
#include <sys/syscall.h>

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
		void *was, *is;
		size_t size;

		SYS(syscall(SYS_get_robust_list, 0, &was, &size));
		SAME(pthread_mutex_lock(mutex), 0);
		victim_set();
		victim_wait();
		SYS(syscall(SYS_get_robust_list, 0, &is, &size));
		SAME((uint64_t)is, (uint64_t)was);
		_exit(0);
	}
	victim_ready();
	victim_reap(owner);
	SAME(pthread_mutex_lock(mutex), EOWNERDEAD);
	SAME(pthread_mutex_consistent(mutex), 0);
	SAME(pthread_mutex_unlock(mutex), 0);
	victim_ok();
}
