/*
 * Memory whose every page says what it is, looked at while the rest of it is still coming: by threads at random, by
 * children, after it was moved, given back, unmapped, and by system calls. Each page has its number and a generation.
 *
 *     lazy MIB [idle]
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

enum { PAGE = 4096, WORDS = PAGE / 8, THREADS = 3, PARTS = 8 };

static uint64_t *memory;
static uint64_t pages;

static uint64_t word_of(uint64_t page, int n)
{
	return (page + 1) * 0x9e3779b97f4a7c15UL + n;
}

/* Every seventh page was never written, every fifth holds zeros. */
static bool is_zero(uint64_t page)
{
	return page % 7 == 3 || page % 5 == 1;
}

static void fill(uint64_t page)
{
	uint64_t *p = memory + page * WORDS;

	if (page % 7 == 3)
		return;
	for (int n = 0; n < WORDS; n += 64)
		p[n] = is_zero(page) ? 0 : word_of(page, n);
}

static void look(const uint64_t *p, uint64_t page)
{
	for (int n = 0; n < WORDS; n += 64) {
		uint64_t is = *(volatile const uint64_t *)&p[n];
		uint64_t was = is_zero(page) ? 0 : word_of(page, n);

		CHECK(is == was, "page %lu word %d is %lx, was %lx", page, n, is, was);
	}
}

static void *at_random(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	victim_set();
	victim_wait();
	for (uint64_t n = 0; n < pages / 2; n++) {
		/* The last parts are unmapped and moved by the main thread. */
		uint64_t page = rand_r(&seed) % (pages / PARTS * 4);

		look(memory + page * WORDS, page);
	}
	return NULL;
}

static uint64_t part(int n)
{
	return pages / PARTS * n;
}

static void look_at_part(const uint64_t *at, int n)
{
	for (uint64_t page = part(n); page < part(n + 1); page++)
		look(at + (page - part(n)) * WORDS, page);
}

/* What the program does to its own mappings. */
static void rearrange(void)
{
	size_t size = part(1) * PAGE;
	char *base = (char *)memory;
	uint64_t *moved;
	uint64_t *elsewhere = SYS(
		mmap(NULL, size * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	moved = SYS(mremap(base + part(4) * PAGE, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
			   elsewhere));
	SYS(madvise(base + part(5) * PAGE, size / 2, MADV_DONTNEED));
	for (uint64_t page = part(5); page < part(5) + part(1) / 2; page++)
		CHECK(memory[page * WORDS] == 0, "page %lu was given back and holds %lx", page,
		      memory[page * WORDS]);
	SYS(munmap(base + part(6) * PAGE, size / 4));
	SYS(mmap(base + part(6) * PAGE, size / 4, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	for (uint64_t page = part(6); page < part(6) + part(1) / 4; page++)
		CHECK(memory[page * WORDS] == 0, "new page %lu holds %lx", page,
		      memory[page * WORDS]);
	look_at_part(moved, 4);
	for (uint64_t page = part(6) + part(1) / 4; page < part(7); page++)
		look(memory + page * WORDS, page);
	/* A moved part that is moved on to where a part was. */
	SYS(mremap(moved, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, base + part(5) * PAGE));
	look_at_part((uint64_t *)(base + part(5) * PAGE), 4);
}

static void grandchild(void)
{
	look_at_part(memory + part(7) * WORDS, 7);
	_exit(0);
}

/* A child sees its parent's pages, and writes to its own. */
static pid_t child(int how)
{
	pid_t pid = SYS(fork());
	int status;

	if (pid)
		return pid;
	if (how == 1) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (how == 2)
		_exit(0); /* without a look */
	look_at_part(memory + part(7) * WORDS, 7);
	for (uint64_t page = part(0); page < part(1); page++)
		memory[page * WORDS] = 1;
	SYS(madvise(memory + part(1) * WORDS, part(1) * PAGE / 2, MADV_DONTNEED));
	for (uint64_t page = part(1); page < part(1) + part(1) / 2; page++)
		CHECK(memory[page * WORDS] == 0, "page %lu of the child", page);
	pid = SYS(fork());
	if (pid == 0)
		grandchild();
	SYS(waitpid(pid, &status, 0));
	_exit(status != 0);
}

/* The kernel reads from pages that are missing, and writes into them. */
static void by_calls(void)
{
	int ends[2];
	uint64_t back[WORDS];

	SYS(pipe(ends));
	for (uint64_t page = part(2); page < part(3); page += 50) {
		SAME(write(ends[1], memory + page * WORDS, PAGE), PAGE);
		SAME(read(ends[0], back, PAGE), PAGE);
		look(back, page);
	}
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
	pid_t children[3];

	pages = (mib << 20) / PAGE;
	memory = SYS(mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0));
	for (uint64_t page = 0; page < pages; page++)
		fill(page);
	for (int n = 0; n < THREADS && argc < 3; n++)
		victim_thread(at_random, (void *)(uintptr_t)(n + 1));
	victim_ready();
	if (argc < 3) {
		for (int n = 0; n < 3; n++)
			children[n] = child(n);
		by_calls();
		rearrange();
		for (int n = 0; n < 3; n++)
			victim_reap(children[n]);
		victim_join();
	}
	for (int n = 0; n < 4; n++)
		look_at_part(memory + part(n) * WORDS, n);
	look_at_part(memory + part(7) * WORDS, 7);
	victim_ok();
}
