/* A moment is saved exactly, whatever its owner does to its memory meanwhile; and the owner does not notice. */
#include "test/lib/cow.h"

#include <sched.h>

static void write_all(struct scene *s)
{
	ready(s);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		s->memory[i] ^= 1;
}

static void every_page_is_written(void)
{
	struct scene s = { 0 };

	assert(play(&s, write_all) == 0);
}

static void nothing_is_protected_before(void)
{
	struct scene s = { .late = true };

	assert(play(&s, write_all) == 0);
}

static void write_before(struct scene *s)
{
	s->control->ready = 1;
	for (uint64_t i = 0; !s->control->moment; i++)
		s->memory[i * 7919 * PAGE_SIZE % SIZE] ^= 1;
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		s->memory[i] ^= 1;
}

static void pages_are_written_before(void)
{
	struct scene s = { 0 };

	assert(play(&s, write_before) == 0);
}

static void unmap(struct scene *s)
{
	ready(s);
	munmap(s->memory + SIZE / 2, SIZE / 2);
	munmap(s->memory, SIZE / 2);
	fill(mmap(s->memory, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	     SIZE);
}

static void memory_is_unmapped(void)
{
	struct scene s = { 0 };

	assert(play(&s, unmap) == 0);
}

static void map_over(struct scene *s)
{
	ready(s);
	if (mmap(s->memory, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != s->memory)
		_exit(1);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		if (s->memory[i])
			_exit(2);
}

static void memory_is_mapped_over(void)
{
	struct scene s = { 0 };

	assert(play(&s, map_over) == 0);
}

static void move(struct scene *s)
{
	char *other = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;

	ready(s);
	at = mremap(s->memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
	if (at != other || !is_filled(at, SIZE))
		_exit(1);
	at = mremap(at, SIZE, SIZE / 2, 0);
	at = mremap(at, SIZE / 2, 3 * SIZE, MREMAP_MAYMOVE);
	if (at == MAP_FAILED || !is_filled(at, SIZE / 2))
		_exit(2);
	memset(at, 1, SIZE);
}

static void memory_is_moved(void)
{
	struct scene s = { 0 };

	assert(play(&s, move) == 0);
}

static void shrink(struct scene *s)
{
	ready(s);
	if (mremap(s->memory, SIZE, PAGE_SIZE, 0) != s->memory)
		_exit(1);
	if (mremap(s->memory, PAGE_SIZE, SIZE / 2, MREMAP_MAYMOVE) == MAP_FAILED)
		_exit(2);
}

static void memory_is_shrunk(void)
{
	struct scene s = { 0 };

	assert(play(&s, shrink) == 0);
}

static void discard(struct scene *s)
{
	ready(s);
	if (madvise(s->memory, SIZE / 2, MADV_DONTNEED) < 0 ||
	    madvise(s->memory + SIZE / 2, SIZE / 2, MADV_FREE) < 0)
		_exit(1);
	for (size_t i = 0; i < SIZE / 2; i += PAGE_SIZE)
		if (s->memory[i])
			_exit(2);
}

static void memory_is_discarded(void)
{
	struct scene s = { 0 };

	assert(play(&s, discard) == 0);
}

static void forbid(struct scene *s)
{
	ready(s);
	if (mprotect(s->memory, SIZE, PROT_NONE) < 0)
		_exit(1);
	usleep(100000);
	if (mprotect(s->memory, SIZE, PROT_READ | PROT_WRITE) < 0)
		_exit(2);
	s->memory[0] = 1;
}

static void memory_is_forbidden(void)
{
	struct scene s = { 0 };

	assert(play(&s, forbid) == 0);
}

static void use_heap(struct scene *s)
{
	char *old = sbrk(SIZE);

	fill(old, SIZE);
	ready(s);
	if (brk(old) < 0 || sbrk(SIZE) != old)
		_exit(1);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		if (old[i])
			_exit(2);
}

static void the_heap_shrinks(void)
{
	struct scene s = { 0 };

	assert(play(&s, use_heap) == 0);
}

/* A signal, or who traces, may cut a read short; it must not fail. */
static void let_kernel_write(struct scene *s)
{
	own_fd fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t done = 0;

	ready(s);
	while (done < SIZE) {
		size_t most = SIZE / 8 < SIZE - done ? SIZE / 8 : SIZE - done;
		ssize_t n = read(fd, s->memory + done, most);

		if (n <= 0)
			_exit(1);
		done += n;
	}
}

static void the_kernel_writes(void)
{
	struct scene s = { 0 };

	assert(play(&s, let_kernel_write) == 0);
}

static void use_huge_pages(struct scene *s)
{
	s->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(s->memory, SIZE, MADV_HUGEPAGE);
	fill(s->memory, SIZE);
	ready(s);
	for (size_t i = 0; i < SIZE; i += 5 * PAGE_SIZE)
		s->memory[i] ^= 1;
	madvise(s->memory, SIZE, 25 /* MADV_COLLAPSE */);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		s->memory[i] ^= 1;
}

static void huge_pages_are_split(void)
{
	struct scene s = { 0 };

	assert(play(&s, use_huge_pages) == 0);
}

static void use_every_third(struct scene *s)
{
	s->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		if (i / PAGE_SIZE % 3 == 0)
			s->memory[i] = i / PAGE_SIZE;
		else if (i / PAGE_SIZE % 3 == 1)
			(void)*(volatile char *)(s->memory + i);
	ready(s);
	for (size_t i = 0; i < SIZE; i += PAGE_SIZE)
		s->memory[i] += 1;
}

static void memory_has_holes(void)
{
	struct scene s = { 0 };

	assert(play(&s, use_every_third) == 0);
}

/* Windows are read while others save single units of them, one after the other. */
enum { IN_WINDOW = COW_WINDOW / COW_BLOCK, NIBBLERS = 3 };

static struct {
	struct scene *scene;
	_Atomic size_t window; /* its first unit */
	_Atomic bool over;
} contest;

static void save_units(size_t first, size_t last, char *buf)
{
	struct cow_space *space = &contest.scene->space;
	struct cow_copy copy = { .data = buf };
	struct manifest_part part = { 0 };
	struct err e = { 0 };

	must(cow_space_copy(space, first, last, &copy, &e), &e);
	must(cow_copy_write(&copy, &part, &e), &e);
	for (size_t i = first; i < last; i++)
		cow_space_release(space, space->units[i].vaddr, cow_unit_end(&space->units[i]));
}

/* Each unit of a window once, in some order. */
static void *nibble(void *arg)
{
	static _Thread_local char buf[COW_BLOCK];
	size_t from = (uintptr_t)arg, was = SIZE;

	while (!contest.over) {
		size_t at = contest.window;

		for (size_t i = 0; i < IN_WINDOW && at != was; i++) {
			size_t unit = at + (from + i * 3) % IN_WINDOW;

			if (unit < contest.scene->space.unit_count)
				save_units(unit, unit + 1, buf);
		}
		was = at;
		sched_yield();
	}
	return NULL;
}

static void save_in_a_contest(struct scene *s)
{
	static char buf[COW_WINDOW];
	pthread_t thread[NIBBLERS];

	contest.scene = s;
	for (size_t i = 0; i < NIBBLERS; i++)
		assert(pthread_create(&thread[i], NULL, nibble, (void *)(i * 3)) == 0);
	for (size_t at = 0; at < s->space.unit_count; at += IN_WINDOW) {
		size_t last = at + IN_WINDOW;

		contest.window = at;
		save_units(at, last < s->space.unit_count ? last : s->space.unit_count, buf);
	}
	contest.over = true;
	for (size_t i = 0; i < NIBBLERS; i++)
		pthread_join(thread[i], NULL);
}

static void units_are_saved_from_under_a_window(void)
{
	struct scene s = { .first = save_in_a_contest };

	assert(play(&s, use_every_third) == 0);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(every_page_is_written),
		UNIT(nothing_is_protected_before),
		UNIT(pages_are_written_before),
		UNIT(memory_is_unmapped),
		UNIT(memory_is_mapped_over),
		UNIT(memory_is_moved),
		UNIT(memory_is_shrunk),
		UNIT(memory_is_discarded),
		UNIT(memory_is_forbidden),
		UNIT(the_heap_shrinks),
		UNIT(the_kernel_writes),
		UNIT(huge_pages_are_split),
		UNIT(memory_has_holes),
		UNIT(units_are_saved_from_under_a_window),
		{},
	});
}
