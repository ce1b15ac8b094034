/* Shared memory as older versions of the format have it: mappings that name an object by its number. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/pages.h"
#include "images/vma.h"
#include "lib/io.h"
#include "restore/memory.h"
#include "test/lib/unit.h"

enum { OBJECT = 77 };

static struct restore_stats stats;
static struct options options;
static struct restore restore;
static struct rtask task;
static struct err err;

static const struct vma_restore_kind *kind_of(const VmaEntry *v)
{
	size_t i = 0;

	while (!vma_restore_kinds[i]->match(v))
		assert(++i < vma_restore_kind_count);
	return vma_restore_kinds[i];
}

/* Page 3 of the object holds 'x'. */
static void write_images(int dir)
{
	char page[PAGE_SIZE];
	own_pagemap_writer w = {
		.dir_fd = dir, .kind = IMG_PAGEMAP_SHMEM, .id = OBJECT, .pages_id = 1
	};

	memset(page, 'x', sizeof(page));
	assert(pagemap_writer_begin(&w, &err) == 0);
	assert(write(w.pages_fd, page, sizeof(page)) == sizeof(page));
	assert(pagemap_writer_add(&w, 3 * PAGE_SIZE, 1, PE_PRESENT, &err) == 0);
	assert(pagemap_writer_finish(&w, &err) == 0);
}

static VmaEntry mapping(uint64_t start, uint64_t pages, uint64_t offset)
{
	VmaEntry v = VMA_ENTRY__INIT;

	v.start = start;
	v.end = start + pages * PAGE_SIZE;
	v.pgoff = offset * PAGE_SIZE;
	v.shmid = OBJECT;
	v.prot = PROT_READ | PROT_WRITE;
	v.flags = MAP_SHARED | MAP_ANONYMOUS;
	v.status = VMA_AREA_REGULAR | VMA_ANON_SHARED;
	return v;
}

/* The descriptor that the plan fetches from us. */
static int fetched(const struct plan *p)
{
	for (uint32_t i = 0; i < p->wire->count; i++)
		if (p->wire->entry[i].nr == SYS_pidfd_getfd)
			return p->wire->entry[i].arg[1];
	assert(!"nothing is fetched");
	return -1;
}

static void old_objects(void)
{
	VmaEntry a = mapping(0x10000000, 4, 0), b = mapping(0x20000000, 2, 6);
	VmaEntry *vmas[] = { &a, &b };
	MmEntry mm = MM_ENTRY__INIT;
	struct rtask *tasks[] = { &task };
	char dir[] = "/tmp/stasis-unit.XXXXXX", *page;
	const struct plan_entry *map;
	struct plan p;
	int fd;

	assert(mkdtemp(dir));
	restore.images = open(dir, O_DIRECTORY | O_CLOEXEC);
	write_images(restore.images);
	options.restore_stats = &stats;
	mm.vmas = vmas;
	mm.n_vmas = 2;
	task = (struct rtask){ .restore = &restore, .pid = 1, .mm = &mm, .helper_fd = 9 };
	restore.opt = &options;
	restore.tasks = tasks;
	restore.task_count = 1;
	restore.arena.size = 1 << 20;
	restore.arena.there = TPTR(0x70000000);
	restore.arena.here = malloc(restore.arena.size);
	arena_init(&restore.arena);
	assert(plan_begin(&p, &restore.arena, 64, &err) == 0);

	assert(kind_of(&a)->prepare(&restore, &err) == 0);
	assert(kind_of(&a)->map(&task, &a, false, &p, &err) == 0);
	assert(kind_of(&b)->map(&task, &b, false, &p, &err) == 0);
	/* One object, as long as the mapping that reaches furthest. */
	map = &p.wire->entry[p.wire->count - 1];
	assert(p.wire->count == 3 && map->nr == SYS_mmap && map->arg[0] == b.start);
	assert(!(map->arg[3] & MAP_ANONYMOUS) && map->arg[5] == b.pgoff);
	fd = fetched(&p);
	assert(lseek(fd, 0, SEEK_END) == 8 * (off_t)PAGE_SIZE);
	page = mmap(NULL, 8 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert(page != MAP_FAILED);
	assert(page[3 * PAGE_SIZE] == 'x' && page[4 * PAGE_SIZE - 1] == 'x');
	assert(page[3 * PAGE_SIZE - 1] == 0 && page[4 * PAGE_SIZE] == 0);
	assert(kind_of(&a)->done(&restore, &err) == 0);
	plan_end(&p);
	kind_of(&a)->close(&restore, false);
	free(restore.arena.here);
	pool_free(&restore.pool);
	assert(unlinkat(restore.images, "pages-1.img", 0) == 0);
	assert(unlinkat(restore.images, "pagemap-shmem-77.img", 0) == 0 && rmdir(dir) == 0);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(old_objects), {} });
}
