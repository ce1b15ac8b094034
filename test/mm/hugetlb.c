/* Huge pages of the pool: private, shared by two processes, and of a memfd. */
#include <fcntl.h>
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define HUGE (2UL << 20)

static char *own, *shared, *file;
static int fd;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];

static char *map(size_t count, int flags, int from)
{
	char *at = mmap(NULL, count * HUGE, PROT_READ | PROT_WRITE, flags, from, 0);

	if (at == MAP_FAILED && errno == ENOMEM)
		victim_skip("there are not enough huge pages");
	return SYS(at);
}

static void read_all(char *text)
{
	smaps_read(own, 2 * HUGE, text);
	smaps_read(shared, 2 * HUGE, text + strlen(text));
	smaps_read(file, HUGE, text + strlen(text));
}

static void child(void)
{
	victim_set();
	victim_wait();
	while (shared[100] != 'p')
		victim_sleep_ms(1);
	shared[101] = 'c';
	_exit(0);
}

int main(void)
{
	int two = MAP_HUGETLB | 21 << 26;
	pid_t pid;

	shared = map(2, MAP_SHARED | MAP_ANONYMOUS | two, -1);
	fill(shared + HUGE, HUGE, 2);
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | 21 << 26);
	if (fd < 0)
		victim_skip("there are no huge pages of 2 MiB");
	SYS(ftruncate(fd, HUGE));
	file = map(1, MAP_SHARED, fd);
	fill(file, HUGE, 3);
	pid = victim_fork();
	if (pid == 0)
		child();
	own = map(2, MAP_PRIVATE | MAP_ANONYMOUS | two, -1);
	fill(own, HUGE, 1);
	read_all(before);
	victim_ready();
	read_all(after);
	same_text(after, before);
	CHECK(filled(own, HUGE, 1) && zeroed(own + HUGE, HUGE));
	CHECK(filled(shared + HUGE, HUGE, 2) && zeroed(shared, HUGE));
	CHECK(filled(file, HUGE, 3));
	SAME(smaps_number(own, "KernelPageSize:"), 2048);
	shared[100] = 'p';
	victim_reap(pid);
	SAME(shared[101], 'c');
	fill(file, HUGE, 4);
	SAME(lseek(fd, 0, SEEK_END), HUGE);
	victim_ok();
}
