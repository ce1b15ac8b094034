/*
 * Puts stored pages into shared memory: from the page cache of the pages file straight into that of the object.
 */
#include "restore/mm/shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "images/pages.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/stats.h"
#include "restore/intact.h"

static int copy_run(const struct shmem_target *to, const struct stored_run *run, uint64_t bytes,
		    struct err *e)
{
	off_t from = run->offset;

	if (lseek(to->fd, run->vaddr, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu", run->vaddr);
	while (bytes) {
		ssize_t n = sendfile(to->fd, run->fd, &from, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "copy %lu bytes at %lu", bytes, run->vaddr);
		if (n == 0)
			return err_code(e, ENODATA, "its pages file is cut short");
		bytes -= n;
	}
	return 0;
}

static int read_run(const struct shmem_target *to, const struct stored_run *run, uint64_t bytes,
		    struct err *e)
{
	char *at = mmap(NULL, to->size, PROT_READ | PROT_WRITE, MAP_SHARED, to->fd, 0);
	int r;

	if (at == MAP_FAILED)
		return err_sys(e, "map %lu bytes of huge pages", to->size);
	r = io_pread(run->fd, at + run->vaddr, bytes, run->offset, e);
	munmap(at, to->size);
	return r < 0 ? err_on(e, "pages of shared memory") : 0;
}

static int fill_run(const struct shmem_target *to, const struct stored_run *run, struct err *e)
{
	uint64_t bytes = run->nr_pages * PAGE_SIZE;

	if (!(run->flags & PE_PRESENT))
		return err_code(e, ENOTSUP,
				"pages at %lu are not in the images (a lazy dump), "
				"which is not supported yet",
				run->vaddr);
	if (run->vaddr >= to->size || bytes > to->size - run->vaddr + PAGE_SIZE)
		return err_say(e, "pages are stored behind its end (%lu bytes)", to->size);
	/* The last page may go beyond the end. */
	if (bytes > to->size - run->vaddr)
		bytes = to->size - run->vaddr;
	return to->huge ? read_run(to, run, bytes, e) : copy_run(to, run, bytes, e);
}

int rshmem_fill(struct restore *r, const struct shmem_target *to, struct err *e)
{
	own_stored_pages pages = {};

	if (intact_load(r, &pages, IMG_PAGEMAP_SHMEM, to->shmid, e) < 0)
		return e->code;
	for (size_t i = 0; i < pages.count; i++)
		if (fill_run(to, &pages.runs[i], e) < 0)
			return e->code;
	r->opt->restore_stats->pages_restored += stored_pages_count(&pages);
	return 0;
}

int rshmem_open_mapping(void *at, uint64_t size, int *ret_fd, struct err *e)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
		 (unsigned long)at + size);
	*ret_fd = open(path, O_RDWR | O_CLOEXEC);
	if (*ret_fd >= 0)
		return 0;
	err_sys(e, "open '%s'", path);
	return err_hint(e, "this needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN");
}
