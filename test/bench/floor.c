/*
 * The least that saving and restoring memory can cost: one thread that writes it to a fresh file, and one
 * that reads the file into fresh memory. Says how many microseconds the calls took.
 *
 *   floor write FILE MIB
 *   floor read FILE MIB
 *   floor touch MIB
 *   floor disk FILE THREADS MIB    reads it past the page cache, into memory that is used again and again
 *
 * A virtual machine gives free memory back to its host and is slow when it touches it again, so all of
 * them touch and free as much as is about to be needed, at once before the time begins.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *memory(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

/* No page is zero, and no two are equal. */
static void fill(char *at, size_t size)
{
	for (size_t i = 0; i < size; i += 512)
		*(size_t *)(at + i) = i + 1;
}

static void warm_up(size_t size)
{
	char *at = memory(size);

	fill(at, size);
	munmap(at, size);
}

static void write_all(const char *path, size_t size)
{
	char *at = memory(size);
	long long from;
	int fd;

	fill(at, size);
	unlink(path);
	warm_up(size);
	from = now_us();
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, at + done, size - done);

		if (n <= 0)
			die(path);
		done += n;
	}
	printf("%lld us\n", now_us() - from);
}

static void read_all(const char *path, size_t size)
{
	long long from;
	char *at;
	int fd;

	warm_up(size);
	from = now_us();
	fd = open(path, O_RDONLY);
	at = memory(size);
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, at + done, size - done);

		if (n <= 0)
			die(path);
		done += n;
	}
	printf("%lld us\n", now_us() - from);
}

enum { AT_ONCE = 1 << 20, THREADS = 16 };

static struct {
	int fd;
	size_t size, next;
} disk;

static void *read_disk(void *arg)
{
	char *buf = aligned_alloc(4096, AT_ONCE);
	size_t at;

	(void)arg;
	while ((at = __atomic_fetch_add(&disk.next, AT_ONCE, __ATOMIC_RELAXED)) < disk.size)
		if (pread(disk.fd, buf, AT_ONCE, at) <= 0)
			die("read");
	return NULL;
}

static void read_past_cache(const char *path, int threads, size_t size)
{
	pthread_t all[THREADS];
	long long from = now_us();

	disk.fd = open(path, O_RDONLY | O_DIRECT);
	disk.size = size;
	if (disk.fd < 0)
		die(path);
	for (int i = 0; i < threads; i++)
		pthread_create(&all[i], NULL, read_disk, NULL);
	for (int i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	printf("%lld us\n", now_us() - from);
}

int main(int argc, char **argv)
{
	size_t size = argc > 2 ? strtoull(argv[argc - 1], NULL, 10) << 20 : 0;

	if (argc == 4 && strcmp(argv[1], "write") == 0)
		write_all(argv[2], size);
	else if (argc == 4 && strcmp(argv[1], "read") == 0)
		read_all(argv[2], size);
	else if (argc == 3 && strcmp(argv[1], "touch") == 0)
		warm_up(size);
	else if (argc == 5 && strcmp(argv[1], "disk") == 0 && atoi(argv[3]) <= THREADS)
		read_past_cache(argv[2], atoi(argv[3]), size);
	else
		return 2;
	return 0;
}
