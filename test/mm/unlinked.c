/*
 * A file of /dev/shm that was unlinked after parent and child had mapped it, as shm_open(3) is mostly used: it stays one
 * memory of both. The child has a part of it, and its descriptor.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 20

static char *mem, *part;

static void child(int fd)
{
	struct stat st;

	part = SYS(mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 10 * PAGE));
	SYS(munmap(mem, PAGES * PAGE));
	victim_set();
	victim_wait();
	while (part[0] != 'p')
		victim_sleep_ms(1);
	SYS(fstat(fd, &st));
	SAME(st.st_size, PAGES * PAGE);
	SAME(st.st_nlink, 0);
	CHECK(filled(part + 2 * PAGE, PAGE, 12));
	SAME(pwrite(fd, "c", 1, 10 * PAGE), 1);
	_exit(0);
}

int main(void)
{
	char path[64];
	pid_t pid;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/stasis-test.%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		victim_skip("there is no /dev/shm");
	SYS(ftruncate(fd, PAGES * PAGE));
	mem = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SYS(unlink(path));
	fill(mem + 12 * PAGE, PAGE, 12);
	pid = victim_fork();
	if (pid == 0)
		child(fd);
	close(fd);
	victim_ready();
	CHECK(filled(mem + 12 * PAGE, PAGE, 12) && zeroed(mem, 10 * PAGE));
	mem[10 * PAGE] = 'p';
	victim_reap(pid);
	SAME(mem[10 * PAGE], 'c');
	CHECK(access(path, F_OK) < 0);
	victim_ok();
}
