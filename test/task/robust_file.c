/* A robust mutex in a file, held while the process is saved and ended: afterwards its owner still holds it. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>

#include "test/lib/victim.h"

int main(int argc, char **argv)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t *mutex;
	pid_t owner;
	int fd = SYS(open(argc > 1 ? argv[1] : "", O_RDWR | O_CREAT, 0600));

	SYS(ftruncate(fd, 4096));
	mutex = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attr);
	owner = victim_fork();
	if (owner == 0) {
		SAME(pthread_mutex_lock(mutex), 0);
		victim_set();
		victim_wait();
		SAME(pthread_mutex_unlock(mutex), 0);
		_exit(0);
	}
	victim_ready();
	SAME(pthread_mutex_lock(mutex), 0);
	SAME(pthread_mutex_unlock(mutex), 0);
	victim_reap(owner);
	victim_ok();
}
