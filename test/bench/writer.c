/*
 * What the benchmark saves while it writes: pages taken at random, at full speed, so many a second, or none. From SIGUSR1
 * until SIGUSR2 it notes how long the first write to each page takes, and any later one that takes as long as a fault;
 * SIGTERM ends it, and it says in microseconds what it has noted, and how many pages a second it wrote meanwhile and
 * before.
 *
 * One that is idle writes one page in a hundred when SIGUSR1 comes, and takes READY away when it has. One that is busy
 * works for a millisecond between two pages, or longer if it has no processor, and catches nothing up.
 *
 *   writer READY idle|full|busy|PAGES_PER_SECOND MIB [shared]
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

enum {
	PAGE = 4096,
	ROOM = 16 << 20,
	PAUSES = 2000,
	PAUSE_NS = 1000000000 / PAUSES,
	FAULT_NS = 3000
};

static volatile sig_atomic_t noting, ended;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		noting = 1;
	else if (sig == SIGUSR2)
		noting = 2;
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

/* How far it had come when the notes began, and when they ended. */
struct progress {
	uint64_t at, writes;
};

static void note_progress(struct progress *p, int *noted, uint64_t writes)
{
	for (; *noted < noting; ++*noted)
		p[*noted + 1] = (struct progress){ now(), writes };
}

static double rate(const struct progress *from, const struct progress *to)
{
	return to->at > from->at ? (to->writes - from->writes) * 1e9 / (to->at - from->at) : 0;
}

/* As many as the time that has passed asks for: who was held up catches up. */
static void keep_pace(uint64_t pages_per_second, const struct progress *begin, uint64_t writes)
{
	while (!ended && (now() - begin->at) * 1e-9 * pages_per_second < writes - begin->writes)
		nanosleep(&(struct timespec){ 0, PAUSE_NS }, NULL);
}

static uint64_t work(uint64_t turns)
{
	uint64_t x = 88172645463325252ULL;

	while (turns-- > 0)
		next(&x);
	return x;
}

/* How many turns take a millisecond: the least of some tries, so that nobody has come in between. */
static uint64_t turns_of_1_ms(void)
{
	const uint64_t turns = 1 << 20;
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 20; i++) {
		uint64_t start = now(), took;
		volatile uint64_t x = work(turns);

		(void)x;
		took = now() - start;
		best = took < best ? took : best;
	}
	return turns * 1000000 / best;
}

/* turns: of work behind each page. */
static void write_pages(char *memory, size_t pages, uint64_t pages_per_second, uint64_t turns)
{
	uint32_t *took = map_shared(ROOM * sizeof(*took));
	struct progress p[3] = { { now(), 0 } };
	char *seen = map_shared(pages);
	uint64_t x = 88172645463325252ULL, writes = 0, batch = pages_per_second / PAUSES + 1;
	size_t count = 0;
	int noted = 0;

	while (!ended) {
		size_t page = next(&x) % pages;
		uint64_t start = now(), end;

		*(volatile uint64_t *)(memory + page * PAGE) = x;
		end = now();
		if (noting == 1 && count < ROOM && (!seen[page] || end - start > FAULT_NS)) {
			seen[page] = 1;
			took[count++] = end - start;
		}
		note_progress(p, &noted, ++writes);
		x += work(turns) & 1;
		if (pages_per_second && writes % batch == 0)
			keep_pace(pages_per_second, &p[0], writes);
	}
	noting = 2;
	note_progress(p, &noted, writes);
	say(took, count);
	printf("rate %.0f before %.0f\n", rate(&p[1], &p[2]), rate(&p[0], &p[1]));
}

static void write_some(char *memory, size_t pages, const char *ready)
{
	for (size_t page = 0; page < pages; page += 100)
		++*(volatile uint64_t *)(memory + page * PAGE);
	unlink(ready);
}

int main(int argc, char **argv)
{
	size_t size = argc >= 4 ? strtoul(argv[3], NULL, 10) << 20 : 0;
	int flags = MAP_ANONYMOUS | (argc > 4 ? MAP_SHARED : MAP_PRIVATE);
	uint64_t x = 0x9e3779b97f4a7c15ULL;
	char *memory;

	if (!size)
		return 2;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 8)
		*(uint64_t *)(memory + i) = next(&x);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	signal(SIGTERM, on_signal);
	close(open(argv[1], O_WRONLY | O_CREAT, 0600));
	while (!ended && strcmp(argv[2], "idle") == 0) {
		pause();
		if (noting)
			write_some(memory, size / PAGE, argv[1]);
		noting = 0;
	}
	write_pages(memory, size / PAGE, strtoul(argv[2], NULL, 10),
		    strcmp(argv[2], "busy") == 0 ? turns_of_1_ms() : 0);
	return 0;
}
