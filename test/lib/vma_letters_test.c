/* The flags of mappings from the kernel's own structure have to be those of smaps, for whatever a program can have. */
#include "lib/vma_letters.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "lib/maps.h"
#include "lib/own.h"
#include "lib/vma_bits.h"
#include "test/lib/unit.h"

static struct pool pool;

static int program_or_skip(struct vma_letters *letters)
{
	struct err e = {};
	char why[300];
	int program;

	if (vma_bits_open(&program, &e) < 0 || vma_letters_learn(letters, program, &e) < 0)
		unit_skip(err_text(&e, why, sizeof(why)));
	return program;
}

static void *page(int prot, int flags)
{
	void *at = mmap(NULL, PAGE_SIZE, prot, flags | MAP_ANONYMOUS, -1, 0);

	assert(at != MAP_FAILED);
	return at;
}

/* Several at once, and such as nothing was learnt from. */
static void make_many(void)
{
	static const int advice[] = { MADV_RANDOM,   MADV_SEQUENTIAL, MADV_DONTFORK,
				      MADV_DONTDUMP, MADV_WIPEONFORK, MADV_MERGEABLE,
				      MADV_HUGEPAGE, MADV_NOHUGEPAGE };
	enum { COUNT = sizeof(advice) / sizeof(*advice) };

	for (int set = 0; set < 1 << COUNT; set += 5) {
		void *at = page(set & 1 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE);

		for (int i = 0; i < COUNT; i++)
			if (set >> i & 1)
				(void)!madvise(at, PAGE_SIZE, advice[i]);
		if (set & 2)
			syscall(SYS_mlock2, at, PAGE_SIZE, set & 4 ? MLOCK_ONFAULT : 0);
	}
	page(PROT_READ, MAP_SHARED);
	page(PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN | MAP_NORESERVE);
}

static size_t hold_against_smaps(int program, const struct vma_letters *letters)
{
	own_fd proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	own_mem struct vma_bits *bits = NULL;
	struct maps maps;
	struct err e = {};
	size_t count, told = 0;

	assert(maps_read(proc, &pool, &maps, &e) == 0);
	assert(vma_bits_read(program, getpid(), &bits, &count, &e) == 0);
	for (size_t i = 0, b = 0; i < maps.count; i++) {
		const struct vma *v = &maps.vmas[i];
		uint32_t flags, may;

		while (b < count && bits[b].start < v->start)
			b++;
		if (b == count || bits[b].start != v->start || bits[b].end != v->end ||
		    !vma_letters_read(letters, bits[b].bits, &flags, &may))
			continue;
		assert(flags == v->flags && may == v->may);
		told++;
	}
	return maps.count - told;
}

static void told_as_in_smaps(void)
{
	struct vma_letters letters;
	own_fd program = program_or_skip(&letters);

	make_many();
	/* The vsyscall page, and what malloc has mapped meanwhile; the sanitizer's maps more. */
	assert(hold_against_smaps(program, &letters) <= (SANITIZED ? 100 : 4));
}

/* A bit that was not seen before is no reason to guess. */
static void unknown_is_said(void)
{
	struct vma_letters letters;
	own_fd program = program_or_skip(&letters);
	uint32_t flags, may;
	uint64_t all = 0;

	for (size_t n = 0; n < letters.count; n++)
		all |= letters.known[n].bits;
	assert(vma_letters_read(&letters, all, &flags, &may));
	assert(flags & VMA_LO && flags & VMA_DC && flags & VMA_WF && may & VMA_WR);
	for (int bit = 0; bit < 64; bit++)
		if (!(all >> bit & 1))
			assert(!vma_letters_read(&letters, all | 1ULL << bit, &flags, &may));
}

/* Those of another process, and many. */
static void ten_thousand_of_another(void)
{
	enum { COUNT = 10000 };
	struct vma_letters letters;
	own_fd program = program_or_skip(&letters);
	own_mem struct vma_bits *bits = NULL;
	int ready[2];
	struct err e = {};
	size_t count, odd = 0;
	char *p, word;
	pid_t pid;

	assert(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		p = mmap(NULL, COUNT * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int k = 0; k < COUNT; k += 2)
			if (madvise(p + k * PAGE_SIZE, PAGE_SIZE, MADV_DONTFORK) < 0)
				_exit(1);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(0);
	}
	assert(read(ready[0], &word, 1) == 1);
	assert(vma_bits_read(program, pid, &bits, &count, &e) == 0 && count > COUNT);
	for (size_t i = 0; i < count; i++) {
		uint32_t flags, may;

		assert(i == 0 || bits[i].start >= bits[i - 1].end);
		if (vma_letters_read(&letters, bits[i].bits, &flags, &may))
			odd += flags & VMA_DC ? 1 : 0;
	}
	assert(odd == COUNT / 2);
	kill(pid, SIGKILL);
	assert(waitpid(pid, NULL, 0) == pid);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(told_as_in_smaps), UNIT(unknown_is_said), UNIT(ten_thousand_of_another), {} });
}
