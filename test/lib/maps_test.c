/* Mappings of a process of our own making, read from smaps. */
#include "lib/maps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/unit.h"

static struct pool pool;

static size_t read_self(struct vma **ret)
{
	struct err e = {};
	struct maps maps = {};
	own_fd proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);

	assert(maps_read(proc, &pool, &maps, &e) == 0);
	*ret = maps.vmas;
	return maps.count;
}

static const struct vma *find(const struct vma *v, size_t count, const void *at)
{
	for (size_t i = 0; i < count; i++)
		if (v[i].start <= (uintptr_t)at && (uintptr_t)at < v[i].end)
			return &v[i];
	return NULL;
}

static void flags_and_sizes(void)
{
	char *p = mmap(NULL, 16 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *s = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int memfd = memfd_create("a name", MFD_CLOEXEC);
	const struct vma *f;
	struct vma *v;
	size_t n;
	char *m;

	assert(ftruncate(memfd, 3 * PAGE_SIZE) == 0);
	m = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, memfd, 2 * PAGE_SIZE);
	assert(madvise(p, 2 * PAGE_SIZE, MADV_DONTFORK) == 0);
	/* The sanitizer's mlock() does nothing. */
	assert(syscall(SYS_mlock, s, PAGE_SIZE) == 0);
	n = read_self(&v);
	for (size_t i = 1; i < n; i++)
		assert(v[i].start >= v[i - 1].end);

	f = find(v, n, p);
	assert(f->start == (uintptr_t)p && f->end == f->start + 2 * PAGE_SIZE);
	assert((f->flags & (VMA_RD | VMA_WR | VMA_SH | VMA_DC)) == (VMA_RD | VMA_DC));
	assert(f->may == (VMA_RD | VMA_WR | VMA_EX) && f->page_size == PAGE_SIZE);
	assert(f->inode == 0 && !*f->name && f->fd_flags == -1);
	f = find(v, n, s);
	assert(f->flags & VMA_LO);
	assert(f->flags & VMA_SH && strcmp(f->name, "/dev/zero (deleted)") == 0 && f->inode);
	f = find(v, n, m);
	assert(strcmp(f->name, "/memfd:a name (deleted)") == 0 && f->pgoff == 2 * PAGE_SIZE);
	assert(strcmp(find(v, n, &v)->name, "[stack]") == 0 && find(v, n, &v)->flags & VMA_GD);
}

/* Without smaps: what was there before is known in full, grown or not; what is new is not. */
static void brought_up_to_date(void)
{
	own_fd proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	char *p = mmap(NULL, 4 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct maps maps = {};
	struct err e = {};
	const struct vma *v;

	if (SANITIZED)
		unit_skip("the sanitizer maps something new all the while");
	assert(madvise(p, 2 * PAGE_SIZE, MADV_DONTFORK) == 0);
	sbrk(PAGE_SIZE);
	assert(maps_read(proc, &pool, &maps, &e) == 0);
	sbrk(8 * PAGE_SIZE);
	assert(maps_update(proc, &pool, &maps, &e) == 1);
	v = find(maps.vmas, maps.count, p);
	assert(v->flags & VMA_DC && v->may == (VMA_RD | VMA_WR | VMA_EX));
	v = find(maps.vmas, maps.count, (char *)sbrk(0) - 1);
	assert(v && strcmp(v->name, "[heap]") == 0);

	assert(mprotect(p, PAGE_SIZE, PROT_NONE) == 0);
	assert(maps_update(proc, &pool, &maps, &e) == 0);
	assert(find(maps.vmas, maps.count, p)->flags & VMA_RD); /* as it was */
	assert(maps_read_brief(proc, &pool, &maps, &e) == 0);
	v = find(maps.vmas, maps.count, p);
	assert(!(v->flags & VMA_RD) && v->end == v->start + PAGE_SIZE);
}

static void ten_thousand(void)
{
	enum { COUNT = 10000 };
	char *p = mmap(NULL, COUNT * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vma *v;
	size_t n, i = 0;

	for (int k = 0; k < COUNT; k += 2)
		assert(mprotect(p + k * PAGE_SIZE, PAGE_SIZE, PROT_NONE) == 0);
	n = read_self(&v);
	assert(n >= COUNT);
	while (v[i].start != (uintptr_t)p)
		i++;
	for (int k = 0; k < COUNT; k++) {
		assert(v[i + k].start == (uintptr_t)p + k * PAGE_SIZE);
		assert((v[i + k].flags & VMA_RD) == (k % 2 ? VMA_RD : 0));
	}
}

/* As the kernel tells it while mappings are joined between two reads. */
static void joined_meanwhile(void)
{
	static const char told[] = "1000-3000 rw-p 00000000 00:00 0 \n"
				   "5000-6000 r--p 00002000 08:01 7 /a\n"
				   "2000-3000 rw-p 00000000 00:00 0 \n"
				   "4000-8000 r--p 00001000 08:01 7 /a\n"
				   "9000-a000 rw-p 00000000 00:00 0 \n";
	char dir[] = "/tmp/maps-test.XXXXXX";
	struct maps maps = {};
	struct err e = {};

	assert(mkdtemp(dir));
	own_fd at = open(dir, O_DIRECTORY | O_CLOEXEC);
	own_fd file = openat(at, "maps", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert(write(file, told, sizeof(told) - 1) == sizeof(told) - 1);
	assert(maps_read_brief(at, &pool, &maps, &e) == 0 && maps.count == 4);
	assert(maps.vmas[1].end == 0x6000 && maps.vmas[1].pgoff == 0x2000);
	assert(maps.vmas[2].start == 0x6000 && maps.vmas[2].end == 0x8000);
	assert(maps.vmas[2].pgoff == 0x3000 && maps.vmas[3].start == 0x9000);
	assert(unlinkat(at, "maps", 0) == 0 && rmdir(dir) == 0);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(flags_and_sizes),
					 UNIT(brought_up_to_date),
					 UNIT(joined_meanwhile),
					 UNIT(ten_thousand),
					 {} });
}
