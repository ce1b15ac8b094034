/*
 * POSIX semaphores and shared memory, which are nothing but files of a tmpfs and futexes: named ones, with and without the
 * name ("removed"), an unnamed one in anonymous shared memory, each with a child that waits for it.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/lib/victim.h"

enum { SIZE = 3 * 4096 };

static char name[32];
static char *shared;
static sem_t *named, *unnamed, *counted;

/* A child that waits for a semaphore, then for one more turn of it, with a time that does not come. */
static pid_t waiter(sem_t *s, char *mark)
{
	pid_t pid = victim_fork();

	if (pid == 0) {
		struct timespec far;

		victim_set();
		while (sem_wait(s) < 0)
			CHECK(errno == EINTR);
		SYS(clock_gettime(CLOCK_REALTIME, &far));
		far.tv_sec += 1000;
		*mark = 1;
		while (sem_timedwait(s, &far) < 0)
			CHECK(errno == EINTR);
		*mark = 2;
		_exit(0);
	}
	victim_blocked(pid, SYS_futex);
	return pid;
}

static void set_up(bool removed)
{
	int fd;

	snprintf(name, sizeof(name), "/stasis-test-%d", getpid());
	named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	CHECK(named != SEM_FAILED, "%s", strerror(errno));
	fd = SYS(shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0640));
	SYS(ftruncate(fd, SIZE));
	shared = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	shared[SIZE - 1] = 'e';
	SYS(close(fd));
	unnamed = victim_shared(sizeof(*unnamed));
	SYS(sem_init(unnamed, 1, 0));
	counted = (sem_t *)(shared + 4096);
	SYS(sem_init(counted, 1, 7));
	if (removed) {
		SYS(sem_unlink(name));
		SYS(shm_unlink(name));
	}
}

static void let_through(sem_t *s, char *mark, pid_t pid)
{
	SYS(sem_post(s));
	while (*(volatile char *)mark != 1)
		victim_sleep_ms(1);
	SYS(sem_post(s));
	victim_reap(pid);
	SAME(*mark, 2);
}

int main(int argc, char **argv)
{
	bool removed = argc > 1 && strcmp(argv[1], "removed") == 0;
	pid_t one, other;
	int value;

	set_up(removed);
	one = waiter(named, &shared[0]);
	other = waiter(unnamed, &shared[1]);
	victim_ready();
	CHECK(shared[SIZE - 1] == 'e' && !shared[0] && !shared[1]);
	SYS(sem_getvalue(counted, &value));
	SAME(value, 7);
	let_through(named, &shared[0], one);
	let_through(unnamed, &shared[1], other);
	if (removed) {
		CHECK(shm_open(name, O_RDONLY, 0) < 0 && errno == ENOENT);
		victim_ok();
	}
	/* What is opened by its name is what was there. */
	int fd = SYS(shm_open(name, O_RDWR, 0));
	char *again = SYS(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0));

	shared[100] = 'x';
	CHECK(again[100] == 'x');
	CHECK(sem_open(name, 0) == named);
	SYS(sem_unlink(name));
	SYS(shm_unlink(name));
	victim_ok();
}
