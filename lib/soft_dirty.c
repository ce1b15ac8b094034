/* Soft-dirty bits; see soft_dirty.h. */
#include "lib/soft_dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/own.h"

/* Words of /proc/PID/pagemap. */
#define WORD_PRESENT (1ULL << 63)
#define WORD_SWAPPED (1ULL << 62)
#define WORD_FILE (1ULL << 61)
#define WORD_GUARD (1ULL << 58)
#define WORD_SOFT_DIRTY (1ULL << 55)
#define WORD_PFN ((1ULL << 55) - 1)
/* What tells two pages apart; of a swapped one, the frame is its place there. */
#define WORD_PLACE (WORD_PRESENT | WORD_SWAPPED | WORD_FILE | WORD_PFN)

enum { WORDS = 4096 };

/* Some pages in a row, at both moments. */
struct window {
	uint64_t now[WORDS], before[WORDS];
};

bool soft_dirty_works(void)
{
	return kernel_has(KERNEL_SOFT_DIRTY) && kernel_has(KERNEL_PAGE_FRAMES);
}

bool soft_dirty_tells(const struct vma *v)
{
	return !(v->flags & (VMA_HT | VMA_SH | VMA_PF | VMA_IO));
}

/* Behind the end of such a file there is no memory, or none that was known. */
static int read_words(int fd, uint64_t at, uint64_t *ret, size_t count, struct err *e)
{
	size_t got = 0;

	while (fd >= 0 && got < count) {
		ssize_t n = pread(fd, ret + got, (count - got) * 8, (at / PAGE_SIZE + got) * 8);

		if (n < 0)
			return err_sys(e, "read 'pagemap' of 0x%lx", at);
		if (n < 8)
			break;
		got += n / 8;
	}
	memset(ret + got, 0, (count - got) * 8);
	return 0;
}

static bool is_there(uint64_t word)
{
	return word & (WORD_PRESENT | WORD_SWAPPED) && !(word & (WORD_FILE | WORD_GUARD));
}

/* Another frame than before is another page, whatever the bit says. */
static bool is_clean(uint64_t now, uint64_t before)
{
	return !(now & WORD_SOFT_DIRTY) && now & WORD_PFN && !((now ^ before) & WORD_PLACE);
}

static int compare(const struct soft_dirty_moments *m, const struct window *w, uint64_t at,
		   size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++, at += PAGE_SIZE) {
		struct ranges *to;

		if (!is_there(w->now[i]))
			continue;
		to = is_clean(w->now[i], w->before[i]) ? m->clean : m->written;
		if (to && ranges_append(to, at, at + PAGE_SIZE, e) < 0)
			return e->code;
	}
	return 0;
}

/* Where no page is, the copy is a hole. */
static int keep(int copy, const struct window *w, uint64_t at, size_t count, struct err *e)
{
	size_t first = 0;

	while (first < count && !is_there(w->now[first]))
		first++;
	while (count > first && !is_there(w->now[count - 1]))
		count--;
	if (first == count)
		return 0;
	if (io_pwrite(copy, w->now + first, (count - first) * 8, (at / PAGE_SIZE + first) * 8, e) <
	    0)
		return err_on(e, "keep the frames of 0x%lx", at);
	return 0;
}

int soft_dirty_look(const struct soft_dirty_moments *m, uint64_t start, uint64_t end, struct err *e)
{
	own_mem struct window *w = malloc(sizeof(*w));

	if (!w)
		return err_sys(e, "memory for 'pagemap'");
	while (start < end) {
		size_t count = (end - start) / PAGE_SIZE;

		if (count > WORDS)
			count = WORDS;
		if (read_words(m->now, start, w->now, count, e) < 0 ||
		    read_words(m->before, start, w->before, count, e) < 0 ||
		    compare(m, w, start, count, e) < 0 ||
		    (m->copy >= 0 && keep(m->copy, w, start, count, e) < 0))
			return e->code;
		start += count * PAGE_SIZE;
	}
	return 0;
}

int soft_dirty_clear(int proc_fd, struct err *e)
{
	/* A kernel without it takes the order and does nothing. */
	if (!kernel_has(KERNEL_SOFT_DIRTY))
		return err_code(e, ENOSYS, "this kernel has no soft-dirty bits");
	return io_put(proc_fd, "clear_refs", "4", e);
}

int soft_dirty_mark(int proc_fd, uint64_t at, struct err *e)
{
	own_fd mem = openat(proc_fd, "mem", O_RDWR | O_CLOEXEC);
	char byte;

	if (mem < 0)
		return err_sys(e, "open 'mem'");
	if (io_pread(mem, &byte, 1, at, e) < 0 || io_pwrite(mem, &byte, 1, at, e) < 0)
		return err_on(e, "mark the page at 0x%lx", at);
	return 0;
}

enum soft_dirty_mark soft_dirty_is_marked(int pagemap_fd, uint64_t at)
{
	struct err ignored = { 0 };
	uint64_t word;

	if (read_words(pagemap_fd, at, &word, 1, &ignored) < 0 || !is_there(word))
		return MARK_IS_LOST;
	return word & WORD_SOFT_DIRTY ? MARK_IS_THERE : MARK_IS_CLEARED;
}
