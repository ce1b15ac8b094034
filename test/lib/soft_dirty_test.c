/* Pages written since a moment: what the kernel shows by soft-dirty bits, and what only the frame shows. */
#include "lib/soft_dirty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/own.h"
#include "test/lib/unit.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { PAGES = 5000 };

static const size_t HUGE = 2 << 20, SIZE = PAGES * PAGE_SIZE;

static int proc, map;
static int before = -1;
static struct ranges found;
static size_t next;
static char *area;

/* Somewhere on a boundary of huge pages, all of whose neighbours are free. */
static char *place(size_t size)
{
	char *at = mmap(NULL, size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert(at != MAP_FAILED && munmap(at, size + HUGE) == 0);
	return (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
}

static void map_at(char *at, size_t size, int rights)
{
	assert(mmap(at, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		    0) == at);
}

static void begin(void)
{
	if (!soft_dirty_works())
		unit_skip("this kernel has no soft-dirty bits");
	proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	map = openat(proc, "pagemap", O_RDONLY | O_CLOEXEC);
	assert(map >= 0);
	area = place(SIZE);
	map_at(area, SIZE, PROT_READ | PROT_WRITE);
	assert(madvise(area, SIZE, MADV_NOHUGEPAGE) == 0);
}

static void look(struct soft_dirty_moments m)
{
	struct err e = {};

	m.now = map;
	assert(soft_dirty_look(&m, (uintptr_t)area, (uintptr_t)area + SIZE, &e) == 0);
}

static void remember(void)
{
	struct err e = {};

	close(before);
	before = memfd_create("frames", MFD_CLOEXEC);
	assert(before >= 0);
	look((struct soft_dirty_moments){ .before = -1, .copy = before });
	assert(soft_dirty_clear(proc, &e) == 0);
}

static void ask(void)
{
	ranges_free(&found);
	next = 0;
	look((struct soft_dirty_moments){ .before = before, .copy = -1, .written = &found });
}

static void next_is(uint64_t from, uint64_t to)
{
	assert(next < found.count);
	assert(found.all[next].start == (uintptr_t)area + from * PAGE_SIZE);
	assert(found.all[next].end == (uintptr_t)area + to * PAGE_SIZE);
	next++;
}

static void no_more(void)
{
	assert(next == found.count);
}

/* [from,to) and nothing else. */
static void written_is(uint64_t from, uint64_t to)
{
	ask();
	if (to > from)
		next_is(from, to);
	no_more();
}

static void read_page(uint64_t page)
{
	(void)*(volatile char *)(area + page * PAGE_SIZE);
}

static void written_pages(void)
{
	begin();
	memset(area, 1, SIZE);
	remember();
	written_is(0, 0);
	read_page(7);
	assert(mprotect(area, SIZE, PROT_READ) == 0);
	assert(mprotect(area, SIZE, PROT_READ | PROT_WRITE) == 0);
	written_is(0, 0);
	for (int i = 1; i < PAGES; i += 3)
		area[i * PAGE_SIZE] = 2;
	ask();
	for (int i = 1; i < PAGES; i += 3)
		next_is(i, i + 1);
	no_more();
	remember();
	written_is(0, 0);
}

static void nothing_is_clean_without_a_copy_of_before(void)
{
	begin();
	memset(area, 1, SIZE);
	remember();
	before = -1;
	written_is(0, PAGES);
}

static void what_is_clean_is_there_and_the_same(void)
{
	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	remember();
	area[3 * PAGE_SIZE] = 2;
	assert(madvise(area + 6 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED) == 0);
	look((struct soft_dirty_moments){ .before = before, .copy = -1, .clean = &found });
	next_is(0, 3);
	next_is(4, 6);
	next_is(7, 8);
	no_more();
}

static void pages_that_come_and_go(void)
{
	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	remember();
	area[20 * PAGE_SIZE] = 1; /* was not there */
	assert(madvise(area, 2 * PAGE_SIZE, MADV_DONTNEED) == 0);
	read_page(0); /* the zero page, which was not there */
	ask();
	next_is(0, 1);
	next_is(20, 21);
	no_more();
	remember();
	written_is(0, 0);
}

static void a_new_mapping_over_an_old_one(void)
{
	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	remember();
	map_at(area + 3 * PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	written_is(0, 0);
	memset(area + 3 * PAGE_SIZE, 2, 2 * PAGE_SIZE);
	written_is(3, 5);
}

/* As a debugger does: the kernel does not mark the page then, but the mapping is new. */
static void write_to(uint64_t page)
{
	own_fd mem = openat(proc, "mem", O_RDWR | O_CLOEXEC);

	assert(pwrite(mem, "x", 1, (uintptr_t)area + page * PAGE_SIZE) == 1);
}

static void writes_from_outside(void)
{
	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	assert(mprotect(area, 8 * PAGE_SIZE, PROT_READ) == 0);
	remember();
	write_to(2);
	written_is(2, 3);
	map_at(area + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ);
	write_to(2);
	written_is(2, 3);
	remember();
	written_is(0, 0);
	write_to(2);
	written_is(2, 3);
}

/* Dropped, and written by a debugger: they may get the very frames that they had. */
static void dropped_pages_written_from_outside(void)
{
	own_fd mem = -1;

	begin();
	memset(area, 1, SIZE);
	assert(mprotect(area, SIZE, PROT_READ) == 0);
	mem = openat(proc, "mem", O_RDWR | O_CLOEXEC);
	remember();
	for (int i = 0; i < PAGES; i++) {
		assert(madvise(area + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED) == 0);
		assert(pwrite(mem, "x", 1, (uintptr_t)area + i * PAGE_SIZE) == 1);
	}
	written_is(0, PAGES);
}

/* Both were there before; the second is moved to the place of the first. */
static void move_over(uint64_t first, uint64_t second, uint64_t count)
{
	begin();
	memset(area, 1, SIZE);
	remember();
	assert(mremap(area + second * PAGE_SIZE, count * PAGE_SIZE, count * PAGE_SIZE,
		      MREMAP_MAYMOVE | MREMAP_FIXED,
		      area + first * PAGE_SIZE) == area + first * PAGE_SIZE);
	written_is(first, first + count);
}

static void moved_pages(void)
{
	move_over(3, 11, 5);
}

/* The kernel moves the table and leaves all bits as they were. */
static void moved_page_tables(void)
{
	move_over(512, 2048, 1024);
}

static uint64_t word_of(int file, uint64_t page)
{
	uint64_t word;

	assert(pread(file, &word, 8, ((uintptr_t)area / PAGE_SIZE + page) * 8) == 8);
	return word;
}

static void swapped_pages(void)
{
	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	assert(madvise(area, 4 * PAGE_SIZE, MADV_PAGEOUT) == 0);
	remember();
	for (int i = 0; i < 4; i++) {
		if (!(word_of(before, i) >> 62 & 1))
			unit_skip("nothing can be swapped out here");
	}
	written_is(0, 0);
	area[PAGE_SIZE] = 2;
	assert(madvise(area + PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT) == 0);
	written_is(1, 2);
}

static bool is_huge(uint64_t page)
{
	uint64_t frame = word_of(map, page);

	/* The first frame of a huge page is aligned, and was not before by chance ten times over. */
	return frame >> 63 && (frame & 511) == 0;
}

static void begin_huge(void)
{
	begin();
	assert(madvise(area, SIZE, MADV_HUGEPAGE) == 0);
	memset(area, 1, 4 * HUGE);
	for (int i = 0; i < 4; i++) {
		if (!is_huge(i * 512))
			unit_skip("this kernel gives no huge pages");
	}
	remember();
	written_is(0, 0);
}

static void a_huge_page_is_written_as_a_whole(void)
{
	begin_huge();
	area[HUGE + 5 * PAGE_SIZE] = 2;
	written_is(512, 1024);
}

/* The huge zero page is not a private one. */
static void a_huge_page_given_back_and_read(void)
{
	begin_huge();
	assert(madvise(area + HUGE, HUGE, MADV_DONTNEED) == 0);
	read_page(512);
	if (!is_huge(512))
		unit_skip("this kernel has no huge zero page");
	written_is(0, 0); /* counts as a page of a file */
	area[HUGE + 5 * PAGE_SIZE] = 2;
	/* The others are small zero pages then; whoever saves pages leaves them out. */
	written_is(512, 1024);
}

static void parent_and_child_write(void)
{
	int status;
	pid_t pid;

	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	remember();
	pid = fork();
	if (pid == 0) {
		area[PAGE_SIZE] = 2;
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid);
	written_is(0, 0);
	area[2 * PAGE_SIZE] = 2;
	written_is(2, 3);
}

static void another_process(void)
{
	char path[32], byte;
	int there[2], go[2];
	pid_t pid;

	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	assert(pipe(there) == 0 && pipe(go) == 0);
	pid = fork();
	if (pid == 0) {
		while (read(go[0], &byte, 1) == 1) {
			area[5 * PAGE_SIZE] = 2;
			assert(write(there[1], "", 1) == 1);
		}
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d", pid);
	proc = open(path, O_DIRECTORY | O_CLOEXEC);
	close(map);
	map = openat(proc, "pagemap", O_RDONLY | O_CLOEXEC);
	remember();
	written_is(0, 0);
	assert(write(go[1], "", 1) == 1 && read(there[0], &byte, 1) == 1);
	written_is(5, 6);
	kill(pid, SIGKILL);
	assert(waitpid(pid, NULL, 0) == pid);
}

/* The last page of the vdso, or any other that is not written. */
static void somebody_else_clears(void)
{
	struct err e = {};
	uintptr_t at;

	begin();
	memset(area, 1, 8 * PAGE_SIZE);
	assert(mprotect(area, 8 * PAGE_SIZE, PROT_READ) == 0);
	at = (uintptr_t)area + 2 * PAGE_SIZE;
	remember();
	assert(soft_dirty_mark(proc, at, &e) == 0);
	assert(area[2 * PAGE_SIZE] == 1);
	assert(soft_dirty_is_marked(map, at) == MARK_IS_THERE);
	assert(soft_dirty_clear(proc, &e) == 0);
	assert(soft_dirty_is_marked(map, at) == MARK_IS_CLEARED);
	map_at(area, SIZE, PROT_READ);
	assert(soft_dirty_is_marked(map, at) == MARK_IS_LOST);
}

static uintptr_t last_page_of_vdso(void)
{
	own_file maps = fopen("/proc/self/maps", "re");
	unsigned long end = 0;
	char line[256];

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[vdso]"))
			assert(sscanf(line, "%*x-%lx", &end) == 1);
	assert(end);
	return end - PAGE_SIZE;
}

/* It is a page of the kernel's until then. */
static void the_vdso_can_be_marked(void)
{
	struct err e = {};
	uintptr_t at = last_page_of_vdso();

	begin();
	assert(soft_dirty_is_marked(map, at) == MARK_IS_LOST);
	for (int i = 0; i < 3; i++) {
		assert(soft_dirty_mark(proc, at, &e) == 0);
		assert(soft_dirty_is_marked(map, at) == MARK_IS_THERE);
		assert(soft_dirty_clear(proc, &e) == 0);
		assert(soft_dirty_is_marked(map, at) == MARK_IS_CLEARED);
	}
}

static void mappings_it_says_nothing_of(void)
{
	struct vma v = { .flags = VMA_RD | VMA_WR };

	assert(soft_dirty_tells(&v));
	v.flags |= VMA_HT;
	assert(!soft_dirty_tells(&v));
	v.flags = VMA_RD | VMA_SH;
	assert(!soft_dirty_tells(&v));
}

static void refused_where_the_kernel_has_none(void)
{
	own_fd self = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	struct err e = {};

	if (kernel_has(KERNEL_SOFT_DIRTY)) {
		assert(soft_dirty_clear(self, &e) == 0);
		return;
	}
	assert(soft_dirty_clear(self, &e) == -ENOSYS);
	assert(strcmp(e.text, "this kernel has no soft-dirty bits") == 0);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(written_pages),
		UNIT(nothing_is_clean_without_a_copy_of_before),
		UNIT(what_is_clean_is_there_and_the_same),
		UNIT(pages_that_come_and_go),
		UNIT(a_new_mapping_over_an_old_one),
		UNIT(writes_from_outside),
		UNIT(dropped_pages_written_from_outside),
		UNIT(moved_pages),
		UNIT(moved_page_tables),
		UNIT(swapped_pages),
		UNIT(a_huge_page_is_written_as_a_whole),
		UNIT(a_huge_page_given_back_and_read),
		UNIT(parent_and_child_write),
		UNIT(another_process),
		UNIT(somebody_else_clears),
		UNIT(the_vdso_can_be_marked),
		UNIT(mappings_it_says_nothing_of),
		UNIT(refused_where_the_kernel_has_none),
		{},
	});
}
