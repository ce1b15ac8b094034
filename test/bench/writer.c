/*
 * What the benchmark saves while it writes: pages taken at random, at full speed, at a pace, or none. From SIGUSR1 on it
 * notes how long the first write to each page takes, and any later one that takes as long as a fault; SIGTERM ends it, and
 * it says in microseconds what it has noted.
 *
 *   writer READY idle|paced|full MIB
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ROOM = 16 << 20, BATCH = 16, PAUSE_NS = 500000, FAULT_NS = 3000 };

static volatile sig_atomic_t noting, ended;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		noting = 1;
	else
		ended = 1;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* Not a part of what is saved. */
static void *map_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		exit(1);
	return at;
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static int by_size(const void *a, const void *b)
{
	return *(const uint32_t *)a < *(const uint32_t *)b ?
		       -1 :
		       *(const uint32_t *)a > *(const uint32_t *)b;
}

static void say(uint32_t *took, size_t count)
{
	qsort(took, count, sizeof(*took), by_size);
	if (count)
		printf("writes %zu p50 %.1f p99 %.1f p999 %.1f max %.1f\n", count,
		       took[count / 2] / 1e3, took[count * 99 / 100] / 1e3,
		       took[count * 999 / 1000] / 1e3, took[count - 1] / 1e3);
	else
		puts("writes 0 p50 0 p99 0 p999 0 max 0");
}

static void write_pages(char *memory, size_t pages, int paced)
{
	uint32_t *took = map_shared(ROOM * sizeof(*took));
	char *seen = map_shared(pages);
	size_t count = 0, n = 0;
	uint64_t x = 88172645463325252ULL;

	while (!ended) {
		size_t page = next(&x) % pages;
		uint64_t start = now(), end;

		*(volatile uint64_t *)(memory + page * PAGE) = x;
		end = now();
		if (noting && count < ROOM && (!seen[page] || end - start > FAULT_NS)) {
			seen[page] = 1;
			took[count++] = end - start;
		}
		if (paced && ++n % BATCH == 0)
			nanosleep(&(struct timespec){ 0, PAUSE_NS }, NULL);
	}
	say(took, count);
}

int main(int argc, char **argv)
{
	size_t size = argc == 4 ? strtoul(argv[3], NULL, 10) << 20 : 0;
	uint64_t x = 0x9e3779b97f4a7c15ULL;
	char *memory;

	if (!size)
		return 2;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 8)
		*(uint64_t *)(memory + i) = next(&x);
	signal(SIGUSR1, on_signal);
	signal(SIGTERM, on_signal);
	close(open(argv[1], O_WRONLY | O_CREAT, 0600));
	while (!ended && strcmp(argv[2], "idle") == 0)
		pause();
	write_pages(memory, size / PAGE, strcmp(argv[2], "paced") == 0);
	return 0;
}
