/* Probes of what concerns memory: mappings, tracking of written pages, userfaultfd, the vdso. */
#include "lib/kernel_probes.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/own.h"
#include "lib/pagemap.h"
#include "lib/vma_bits.h"

/* Newer than the headers of Debian 12. */
#define MADV_GUARD_INSTALL 102
#define UFFD_USER_MODE 1
#define UFFD_WP_UNPOPULATED (1 << 13)
#define UFFD_WP_ASYNC (1 << 15)
#define USERFAULTFD_NEW _IO(0xAA, 0x00)

struct procmap_query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

#define PROCMAP_QUERY_CALL _IOWR('f', 17, struct procmap_query)
#define PROCMAP_COVERING_OR_NEXT 0x10

static void *map_page(void)
{
	void *page =
		mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

/* A mapping of our program, opened as a file. */
bool probe_map_files(void)
{
	own_dir dir = opendir("/proc/self/map_files");
	struct dirent *entry = NULL;
	own_fd fd = -1;

	while (dir && (entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	if (entry)
		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

/*
 * The mapping that starts at this address, as text of /proc/self/maps; NULL: none. The caller
 * frees it.
 */
static char *line_of_map(uintptr_t start)
{
	own_mem char *maps = NULL;
	struct err e = {};
	char *line, *rest;

	if (io_slurp(AT_FDCWD, "/proc/self/maps", &maps, NULL, &e) < 0)
		return NULL;
	for (line = strtok_r(maps, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strtoul(line, NULL, 16) == start)
			return strdup(line);
	}
	return NULL;
}

static bool move_vdso(void)
{
	uintptr_t start = getauxval(AT_SYSINFO_EHDR);
	own_mem char *line = start ? line_of_map(start) : NULL;
	char *end = line ? strchr(line, '-') : NULL;
	size_t size = end ? strtoul(end + 1, NULL, 16) - start : 0;
	void *place = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return size && place != MAP_FAILED &&
	       mremap((void *)start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place;
}

bool probe_vdso_remap(void)
{
	return probe_in_child(move_vdso);
}

/* We have a vdso already, and only whoever could make one is told so. */
bool probe_can_map_vdso(void)
{
	return syscall(SYS_arch_prctl, ARCH_MAP_VDSO_64, 0) < 0 && errno == EEXIST;
}

static bool page_is_dirty(int pagemap, const void *page)
{
	uint64_t word = 0;

	if (pread(pagemap, &word, 8, (uintptr_t)page / PAGE_SIZE * 8) != 8)
		return false;
	return word & 1ULL << 55;
}

/* A kernel without it takes the order to clear and does nothing, so a page is looked at. */
static bool soft_dirty(void)
{
	own_fd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	volatile char *page = map_page();
	struct err e = {};
	bool clean;

	if (!page || pagemap < 0)
		return false;
	*page = 1;
	if (io_put(AT_FDCWD, "/proc/self/clear_refs", "4", &e) < 0)
		return false;
	clean = !page_is_dirty(pagemap, (void *)page);
	*page = 2;
	return clean && page_is_dirty(pagemap, (void *)page);
}

bool probe_soft_dirty(void)
{
	return probe_in_child(soft_dirty);
}

/* Without CAP_SYS_ADMIN the numbers of frames are zeros. */
bool probe_page_frames(void)
{
	own_fd pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	return pread(pagemap, &word, 8, (uintptr_t)&word / PAGE_SIZE * 8) == 8 &&
	       word & ((1ULL << 55) - 1);
}

/* What an open pagemap says about itself. */
static bool pagemap_knows(bool *scans, bool *guards)
{
	own_pagemap pagemap = { .fd = -1 };
	own_fd proc = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err e = {};

	if (proc < 0 || pagemap_open(proc, &pagemap, &e) < 0)
		return false;
	*scans = pagemap.scans;
	*guards = pagemap.tells_guards;
	return true;
}

bool probe_pagemap_scan(void)
{
	bool scans, guards;

	return pagemap_knows(&scans, &guards) && scans;
}

bool probe_pagemap_scan_guard(void)
{
	bool scans, guards;

	return pagemap_knows(&scans, &guards) && guards;
}

bool probe_vma_iterator(void)
{
	own_mem struct vma_bits *bits = NULL;
	own_fd program = -1;
	struct err e = {};
	size_t count;

	return vma_bits_open(&program, &e) == 0 &&
	       vma_bits_read(program, getpid(), &bits, &count, &e) == 0 && count > 0;
}

bool probe_guard_install(void)
{
	void *page = map_page();
	bool there = page && madvise(page, PAGE_SIZE, MADV_GUARD_INSTALL) == 0;

	if (page)
		munmap(page, PAGE_SIZE);
	return there;
}

/* All features of userfaultfd; 0: there is none, or not for us. */
static uint64_t uffd_features(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	own_fd fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		own_fd device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

		fd = ioctl(device, USERFAULTFD_NEW, O_CLOEXEC | O_NONBLOCK);
	}
	return ioctl(fd, UFFDIO_API, &api) == 0 ? api.features : 0;
}

bool probe_uffd(void)
{
	return uffd_features() != 0;
}

bool probe_uffd_noncoop(void)
{
	uint64_t all = UFFD_FEATURE_EVENT_FORK | UFFD_FEATURE_EVENT_REMAP |
		       UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP;

	return (uffd_features() & all) == all;
}

bool probe_uffd_wp_async(void)
{
	uint64_t all = UFFD_WP_ASYNC | UFFD_WP_UNPOPULATED;
	struct uffdio_api api = { .api = UFFD_API };
	/* Everybody may make this kind, and it marks as well. */
	own_fd fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE);

	if (ioctl(fd, UFFDIO_API, &api) < 0)
		api.features = uffd_features();
	return (api.features & all) == all;
}

bool probe_mem_dirty_track(void)
{
	return (kernel_has(KERNEL_SOFT_DIRTY) && kernel_has(KERNEL_PAGE_FRAMES)) ||
	       (kernel_has(KERNEL_PAGEMAP_SCAN) && kernel_has(KERNEL_UFFD_WP_ASYNC));
}

/* The ring of a context is its name, so moving it renames the context. */
static bool move_ring(void)
{
	aio_context_t ring = 0;
	void *place = map_page();
	own_mem char *line = NULL;
	char *end;
	size_t size;

	if (!place || syscall(SYS_io_setup, 1, &ring) < 0)
		return false;
	line = line_of_map(ring);
	end = line ? strchr(line, '-') : NULL;
	size = end ? strtoul(end + 1, NULL, 16) - ring : 0;
	place = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return size && place != MAP_FAILED &&
	       mremap((void *)ring, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place &&
	       syscall(SYS_io_destroy, place) == 0;
}

bool probe_aio_remap(void)
{
	return probe_in_child(move_ring);
}

bool probe_memfd_hugetlb(void)
{
	own_fd fd = memfd_create("probe", MFD_CLOEXEC | MFD_HUGETLB);

	return fd >= 0;
}

/* Device and inode of a mapped file must be those that stat says, on overlayfs too. */
static bool compare_maps(void)
{
	own_fd fd = -1;
	own_mem char *line = NULL;
	unsigned int major_number, minor_number;
	unsigned long inode;
	struct stat st;
	void *page;

	if (mkdir("low", 0700) < 0 || mkdir("up", 0700) < 0 || mkdir("work", 0700) < 0 ||
	    mkdir("all", 0700) < 0 || mknod("low/file", S_IFREG | 0600, 0) < 0 ||
	    mount("probe", "all", "overlay", 0, "lowerdir=low,upperdir=up,workdir=work") < 0)
		return false;
	fd = open("all/file", O_RDONLY | O_CLOEXEC);
	page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	line = page == MAP_FAILED ? NULL : line_of_map((uintptr_t)page);
	return line && fstat(fd, &st) == 0 &&
	       sscanf(line, "%*s %*s %*s %x:%x %lu", &major_number, &minor_number, &inode) == 3 &&
	       makedev(major_number, minor_number) == st.st_dev && inode == st.st_ino;
}

bool probe_overlayfs_maps(void)
{
	return probe_on_tmpfs(compare_maps);
}

bool probe_procmap_query(void)
{
	struct procmap_query query = { .size = sizeof(query) };
	own_fd fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	query.query_flags = PROCMAP_COVERING_OR_NEXT;
	return ioctl(fd, PROCMAP_QUERY_CALL, &query) == 0;
}
