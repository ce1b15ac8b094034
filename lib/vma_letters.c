/* Which bit of vm_flags is which letter of smaps; see vma_letters.h. */
#include "lib/vma_letters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/maps.h"
#include "lib/own.h"
#include "lib/soft_dirty.h"
#include "lib/uffd.h"
#include "lib/vma_bits.h"

#define LETTERS(a, b) ((uint16_t)((unsigned char)(a) | (unsigned char)(b) << 8))

static const struct {
	uint16_t letters;
	uint32_t flag;
} flag_letters[] = {
	{ LETTERS('r', 'd'), VMA_RD }, { LETTERS('w', 'r'), VMA_WR }, { LETTERS('e', 'x'), VMA_EX },
	{ LETTERS('s', 'h'), VMA_SH }, { LETTERS('g', 'd'), VMA_GD }, { LETTERS('l', 'o'), VMA_LO },
	{ LETTERS('i', 'o'), VMA_IO }, { LETTERS('s', 'r'), VMA_SR }, { LETTERS('r', 'r'), VMA_RR },
	{ LETTERS('d', 'c'), VMA_DC }, { LETTERS('d', 'e'), VMA_DE }, { LETTERS('a', 'c'), VMA_AC },
	{ LETTERS('n', 'r'), VMA_NR }, { LETTERS('h', 't'), VMA_HT }, { LETTERS('d', 'd'), VMA_DD },
	{ LETTERS('m', 'g'), VMA_MG }, { LETTERS('h', 'g'), VMA_HG }, { LETTERS('n', 'h'), VMA_NH },
	{ LETTERS('w', 'f'), VMA_WF }, { LETTERS('p', 'f'), VMA_PF }, { LETTERS('s', 's'), VMA_SS },
	{ LETTERS('s', 'l'), VMA_SL }, { LETTERS('d', 'p'), VMA_DP }, { LETTERS('l', 'f'), VMA_LF },
	{ LETTERS('u', 'w'), VMA_UW }, { LETTERS('u', 'm'), VMA_UM }, { LETTERS('g', 'u'), VMA_GU },
	{ LETTERS('u', 'i'), VMA_UI },
};

static const struct {
	uint16_t letters;
	uint32_t may;
} may_letters[] = {
	{ LETTERS('m', 'r'), VMA_RD },
	{ LETTERS('m', 'w'), VMA_WR },
	{ LETTERS('m', 'e'), VMA_EX },
};

uint16_t vma_next_letters(const char **text)
{
	const char *p = *text;

	if (!p[0] || !p[1])
		return 0;
	*text += p[2] == ' ' ? 3 : 2;
	return LETTERS(p[0], p[1]);
}

void vma_letters_mean(uint16_t letters, uint32_t *flags, uint32_t *may)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_letters); i++)
		if (flag_letters[i].letters == letters)
			*flags |= flag_letters[i].flag;
	for (size_t i = 0; i < ARRAY_SIZE(may_letters); i++)
		if (may_letters[i].letters == letters)
			*may |= may_letters[i].may;
}

/* --- mappings to learn from --------------------------------------------------------------------- */

/* A page of each sort, beside what a program has anyway. */
static const struct sample {
	int prot, flags, advice; /* advice: -1 for none */
	enum { PLAIN, LOCKED, LOCKED_ON_FAULT, WATCHED } how;
} samples[] = {
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, PLAIN },
	{ PROT_NONE, MAP_PRIVATE, -1, PLAIN },
	{ PROT_READ | PROT_EXEC, MAP_PRIVATE, -1, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_SHARED, -1, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, -1, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, -1, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, LOCKED },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, LOCKED_ON_FAULT },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, -1, WATCHED },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_SEQUENTIAL, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_RANDOM, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_DONTFORK, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_DONTDUMP, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_WIPEONFORK, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_MERGEABLE, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_HUGEPAGE, PLAIN },
	{ PROT_READ | PROT_WRITE, MAP_PRIVATE, MADV_NOHUGEPAGE, PLAIN },
};

/* What the kernel refuses is not learnt. The system calls themselves: sanitizers have an mlock() that does nothing. */
static void *make_sample(const struct sample *s, int uffd)
{
	void *at = mmap(NULL, PAGE_SIZE, s->prot, s->flags | MAP_ANONYMOUS, -1, 0);
	long r = 0;

	if (at == MAP_FAILED)
		return at;
	if (s->advice >= 0)
		r = madvise(at, PAGE_SIZE, s->advice);
	else if (s->how == LOCKED)
		r = syscall(SYS_mlock, at, PAGE_SIZE);
	else if (s->how == LOCKED_ON_FAULT)
		r = syscall(SYS_mlock2, at, PAGE_SIZE, MLOCK_ONFAULT);
	else if (s->how == WATCHED && uffd >= 0)
		r = uffd_register(uffd, (uintptr_t)at, (uintptr_t)at + PAGE_SIZE) ? 0 : -1;
	(void)r;
	return at;
}

/* --- learning ----------------------------------------------------------------------------------- */

struct letter {
	uint16_t letters;
	uint64_t with, without; /* bits of all mappings that have it; of any that does not */
};

struct lesson {
	struct letter letters[64];
	size_t count;
	const struct vma_bits *bits;
	size_t bits_count;
};

static const struct vma_bits *bits_of(const struct vma_bits *all, size_t count, uint64_t start,
				      uint64_t end)
{
	size_t from = 0, to = count;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (all[middle].start < start)
			from = middle + 1;
		else
			to = middle;
	}
	return from < count && all[from].start == start && all[from].end == end ? &all[from] : NULL;
}

static int letter_place(struct lesson *l, uint16_t letters)
{
	size_t n = 0;

	while (n < l->count && l->letters[n].letters != letters)
		n++;
	if (n == ARRAY_SIZE(l->letters))
		return -1;
	if (n == l->count)
		l->letters[l->count++] = (struct letter){ .letters = letters, .with = UINT64_MAX };
	return (int)n;
}

/* Each line twice: at the first pass letters only get their places. */
static bool take_flags(struct lesson *l, const char *text, const struct vma_bits *b, bool counts)
{
	uint64_t has = 0;
	uint16_t letters;

	while ((letters = vma_next_letters(&text))) {
		int n = letter_place(l, letters);

		if (n < 0)
			return false;
		has |= 1ULL << n;
	}
	for (size_t n = 0; counts && n < l->count; n++) {
		if (has >> n & 1)
			l->letters[n].with &= b->bits;
		else
			l->letters[n].without |= b->bits;
	}
	return true;
}

static int read_own(struct lesson *l, bool counts, struct err *e)
{
	own_file smaps = fopen("/proc/self/smaps", "re");
	const struct vma_bits *now = NULL;
	own_mem char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!smaps)
		return err_sys(e, "open '/proc/self/smaps'");
	while ((n = getline(&line, &room, smaps)) > 0) {
		unsigned long start, end;

		line[n - 1] = 0;
		if (*line < 'A' || *line > 'Z')
			now = sscanf(line, "%lx-%lx ", &start, &end) == 2 ?
				      bits_of(l->bits, l->bits_count, start, end) :
				      NULL;
		else if (now && strncmp(line, "VmFlags: ", 9) == 0 &&
			 !take_flags(l, line + 9, now, counts))
			return err_code(e, ENOTSUP, "smaps has more flags than there are bits");
	}
	return 0;
}

static void conclude(const struct lesson *l, struct vma_letters *ret)
{
	*ret = (struct vma_letters){};
	for (size_t n = 0; n < l->count; n++) {
		uint64_t bits = l->letters[n].with & ~l->letters[n].without;
		size_t i = 0;

		/* Bits that nobody has a name for are not known to mean nothing. */
		if (!bits || l->letters[n].letters == LETTERS('?', '?'))
			continue;
		/* Letters that always come together have the same bits. */
		while (i < ret->count && ret->known[i].bits != bits)
			i++;
		if (i == ret->count)
			ret->known[ret->count++].bits = bits;
		vma_letters_mean(l->letters[n].letters, &ret->known[i].flags, &ret->known[i].may);
	}
}

static int learn(struct vma_letters *ret, int program, struct err *e)
{
	own_mem struct vma_bits *bits = NULL;
	struct lesson l = {};

	if (vma_bits_read(program, getpid(), &bits, &l.bits_count, e) < 0)
		return e->code;
	l.bits = bits;
	if (read_own(&l, false, e) < 0 || read_own(&l, true, e) < 0)
		return e->code;
	conclude(&l, ret);
	return 0;
}

int vma_letters_learn(struct vma_letters *ret, int program, struct err *e)
{
	struct err ignored = {};
	own_fd proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd uffd = (int)syscall(SYS_userfaultfd, uffd_flags(UFFD_WRITES_WAIT));
	void *at[ARRAY_SIZE(samples)];
	int r;

	/* What is mapped is new, and soft-dirty; here that is for the samples only, so that it is told from what all have. */
	(void)!soft_dirty_clear(proc, &ignored);
	if (uffd >= 0 && uffd_begin(uffd, UFFD_WRITES_WAIT, &ignored) < 0)
		close(take_fd(&uffd));
	for (size_t n = 0; n < ARRAY_SIZE(samples); n++)
		at[n] = make_sample(&samples[n], uffd);
	r = learn(ret, program, e);
	for (size_t n = 0; n < ARRAY_SIZE(samples); n++)
		if (at[n] != MAP_FAILED)
			munmap(at[n], PAGE_SIZE);
	return r;
}

bool vma_letters_read(const struct vma_letters *l, uint64_t bits, uint32_t *flags, uint32_t *may)
{
	*flags = *may = 0;
	for (size_t n = 0; n < l->count; n++) {
		const struct vma_meaning *m = &l->known[n];

		if ((bits & m->bits) != m->bits)
			continue;
		*flags |= m->flags;
		*may |= m->may;
		bits &= ~m->bits;
	}
	return bits == 0;
}
