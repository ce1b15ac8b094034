/* Event counters: small, full, semaphores, shared with a child. */
#include "test/lib/fds.h"

#include <sys/eventfd.h>

static struct fds before;

static uint64_t take(int fd)
{
	uint64_t value;

	SAME(SYS(read(fd, &value, sizeof(value))), sizeof(value));
	return value;
}

/* Before 6.5 nobody outside can know that it is one, so a restored one is a plain counter. */
static bool kernel_tells_semaphores(void)
{
	FILE *f = fopen("/proc/self/fdinfo/5", "re");
	char text[1024] = "";

	CHECK(f && fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	return strstr(text, "eventfd-semaphore:");
}

int main(void)
{
	const uint64_t most = UINT64_MAX - 1, one = 1;
	int small = SYS(eventfd(7, EFD_CLOEXEC)), full = SYS(eventfd(0, EFD_NONBLOCK));
	int semaphore = SYS(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK)), empty = SYS(eventfd(0, 0));
	uint64_t value;
	pid_t pid;

	SAME(write(full, &most, sizeof(most)), sizeof(most));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		_exit(write(empty, &one, sizeof(one)) == sizeof(one) ? 0 : 1);
	}
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SAME(take(small), 7);
	SAME(write(full, &one, sizeof(one)), -1);
	SAME(errno, EAGAIN);
	SAME(take(full), most);
	SAME(take(empty), 1); /* waits for the child */
	victim_reap(pid);
	value = take(semaphore);
	if (value == 1 || kernel_tells_semaphores()) {
		SAME(value, 1);
		SAME(take(semaphore), 1);
		SAME(take(semaphore), 1);
	} else {
		SAME(value, 3);
	}
	SAME(read(semaphore, &value, sizeof(value)), -1);
	victim_ok();
}
