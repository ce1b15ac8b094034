/*
 * Pages of all sorts of contents, for dumps that compress: random, text-like, zero, and one after the other; zeros that
 * mean something, since a file or a parent has other contents there.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define MIB (1UL << 20)

struct memory {
	unsigned char *random, *text, *zeros, *mixed, *file, *shared, *common;
};

static struct memory m;
static volatile int *child_is_right;

static unsigned char *map(size_t size, int flags, int fd)
{
	return SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0));
}

static void each_random(unsigned char *at, size_t size, bool check)
{
	uint64_t state = 88172645463325252ULL, *words = (uint64_t *)at;

	for (size_t i = 0; i < size / 8; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		if (check)
			CHECK(words[i] == state, "word %zu", i);
		else
			words[i] = state;
	}
}

static void each_text(unsigned char *at, size_t size, bool check)
{
	static const char words[] = "what a process has written, again and again, but not quite ";

	for (size_t i = 0; i < size; i++) {
		unsigned char c = i % 71 == 0 ? 'a' + (int)(i / 71 % 26) :
						words[i % (sizeof(words) - 1)];

		if (check)
			CHECK(at[i] == c, "byte %zu", i);
		else
			at[i] = c;
	}
}

/* Every third page is zero, every fifth random, the others say who they are. */
static void each_mixed(unsigned char *at, size_t size, bool check)
{
	for (size_t i = 0; i < size / PAGE; i++) {
		if (i % 3 == 0 && check)
			CHECK(zeroed(at + i * PAGE, PAGE), "page %zu", i);
		else if (i % 3 == 0)
			memset(at + i * PAGE, 0, PAGE);
		else if (i % 5 == 0)
			each_random(at + i * PAGE, PAGE, check);
		else if (check)
			CHECK(filled(at + i * PAGE, PAGE, i), "page %zu", i);
		else
			fill(at + i * PAGE, PAGE, i);
	}
}

static void each(bool check)
{
	each_random(m.random, 3 * MIB, check);
	each_text(m.text, 3 * MIB, check);
	each_mixed(m.mixed, MIB + 7 * PAGE, check);
	each_mixed(m.shared, MIB + 7 * PAGE, check);
	if (check)
		CHECK(zeroed(m.zeros, 3 * MIB));
	else
		memset(m.zeros, 0, 3 * MIB);
}

/* The file has contents in all four pages: one is kept, two are written over, one of them with zeros. */
static void map_file(void)
{
	char page[PAGE], path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/mapped", getenv("TEST_DIR"));
	fd = SYS(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (unsigned int i = 0; i < 4; i++) {
		fill(page, PAGE, 100 + i);
		CHECK(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	m.file = map(4 * PAGE, MAP_PRIVATE, fd);
	close(fd);
	memset(m.file + PAGE, 0, PAGE);
	fill(m.file + 2 * PAGE, PAGE, 7);
}

static void check_file(void)
{
	CHECK(filled(m.file, PAGE, 100) && zeroed(m.file + PAGE, PAGE));
	CHECK(filled(m.file + 2 * PAGE, PAGE, 7) && filled(m.file + 3 * PAGE, PAGE, 103));
}

/* What it has from its parent it overwrites in part, with zeros too. */
static void child(void)
{
	memset(m.common + PAGE, 0, PAGE);
	fill(m.common + 2 * PAGE, PAGE, 99);
	victim_set();
	victim_wait();
	SYS(mprotect(m.text + MIB, MIB, PROT_READ));
	CHECK(filled(m.common, PAGE, 0) && zeroed(m.common + PAGE, PAGE));
	CHECK(filled(m.common + 2 * PAGE, PAGE, 99) && filled(m.common + 3 * PAGE, PAGE, 3));
	each(true);
	check_file();
	*child_is_right = 1;
	_exit(0);
}

int main(void)
{
	int anon = MAP_PRIVATE | MAP_ANONYMOUS;
	pid_t pid;

	m.random = map(3 * MIB, anon, -1);
	m.text = map(3 * MIB, anon, -1);
	m.zeros = map(3 * MIB, anon, -1);
	SYS(madvise(m.zeros, 3 * MIB, MADV_NOHUGEPAGE));
	m.mixed = map(MIB + 7 * PAGE, anon, -1);
	m.common = map(4 * PAGE, anon, -1);
	m.shared = map(MIB + 7 * PAGE, MAP_SHARED | MAP_ANONYMOUS, -1);
	child_is_right = victim_shared(sizeof(*child_is_right));
	map_file();
	each(false);
	for (unsigned int i = 0; i < 4; i++)
		fill(m.common + i * PAGE, PAGE, i);
	SYS(mprotect(m.text, MIB, PROT_READ));
	SYS(mprotect(m.text + MIB, MIB, PROT_NONE));
	pid = victim_fork();
	if (pid == 0)
		child();
	victim_ready();
	SYS(mprotect(m.text + MIB, MIB, PROT_READ));
	each(true);
	check_file();
	for (unsigned int i = 0; i < 4; i++)
		CHECK(filled(m.common + i * PAGE, PAGE, i));
	victim_reap(pid);
	CHECK(*child_is_right);
	victim_ok();
}
