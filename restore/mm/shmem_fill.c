/*
 * Puts stored pages into shared memory: from the page cache of the pages file straight into that of the object, or
 * expanded in between. The objects are new, so holes of the pages file stay holes.
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
#include "restore/stream.h"
#include "restore/unpack.h"

/* An object that is being filled. */
struct filling {
	struct restore *r;
	uint32_t pages_id;
	int kept_fd; /* for a stream, which comes later */
	const struct shmem_target *to;
	char *map;	      /* of all of it, if it consists of huge pages */
	struct unpack unpack; /* what is compressed */
};

/* Where data begins at or behind 'at' of a pages file; 'end' when there is none before that. */
static uint64_t next_data(int fd, uint64_t at, uint64_t end)
{
	off_t data = lseek(fd, at, SEEK_DATA);

	if (data < 0)
		return errno == ENXIO ? end : at;
	return (uint64_t)data < end ? (uint64_t)data : end;
}

static uint64_t next_hole(int fd, uint64_t at, uint64_t end)
{
	off_t hole = lseek(fd, at, SEEK_HOLE);

	return hole < 0 || (uint64_t)hole > end ? end : (uint64_t)hole;
}

static int copy_part(const struct shmem_target *to, const struct stored_run *run, uint64_t skip,
		     uint64_t end, struct err *e)
{
	off_t from = run->offset + skip;

	if (lseek(to->fd, run->vaddr + skip, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu", run->vaddr + skip);
	while (skip < end) {
		ssize_t n = sendfile(to->fd, run->fd, &from, end - skip);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "copy %lu bytes at %lu", end - skip, run->vaddr + skip);
		if (n == 0)
			return err_code(e, ENODATA, "its pages file is cut short");
		skip += n;
	}
	return 0;
}

static int copy_run(const struct shmem_target *to, const struct stored_run *run, uint64_t bytes,
		    struct err *e)
{
	uint64_t at = run->offset, end = run->offset + bytes;

	while ((at = next_data(run->fd, at, end)) < end) {
		uint64_t hole = next_hole(run->fd, at, end);

		if (copy_part(to, run, at - run->offset, hole - run->offset, e) < 0)
			return e->code;
		at = hole;
	}
	return 0;
}

/* It cannot be written by write(). */
static int map_all(struct filling *f, struct err *e)
{
	if (!f->to->huge || f->map)
		return 0;
	f->map = mmap(NULL, f->to->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->to->fd, 0);
	if (f->map != MAP_FAILED)
		return 0;
	f->map = NULL;
	return err_sys(e, "map %lu bytes of huge pages", f->to->size);
}

/* Compressed ones are noted, and expanded together. */
static int note_run(struct filling *f, const struct stored_run *run, uint64_t bytes, struct err *e)
{
	struct unpack_piece p = { .file = run->packed,
				  .offset = run->offset,
				  .bytes = bytes,
				  .fresh = true,
				  .fd = f->map ? -1 : f->to->fd,
				  .to = run->vaddr + (uint64_t)f->map };

	return unpack_add(&f->unpack, &p, e);
}

static int note_stream(struct filling *f, const struct stored_run *run, uint64_t bytes,
		       struct err *e)
{
	struct stream_place p = { .pages_id = f->pages_id,
				  .offset = run->offset,
				  .bytes = bytes,
				  .fresh = true,
				  .fd = f->kept_fd,
				  .to = run->vaddr };

	struct kept_object o = { f->to->fd, f->map, f->to->size };

	if (f->kept_fd < 0 && rstream_keep(f->r, &o, &f->kept_fd, e) < 0)
		return e->code;
	p.fd = f->map ? -1 : f->kept_fd;
	p.to += (uint64_t)f->map;
	return rstream_place(f->r, &p, e);
}

static int fill_run(struct filling *f, const struct stored_run *run, struct err *e)
{
	const struct shmem_target *to = f->to;
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
	if (map_all(f, e) < 0)
		return e->code;
	if (f->r->stream)
		return note_stream(f, run, bytes, e);
	if (run->packed)
		return note_run(f, run, bytes, e);
	if (!f->map)
		return copy_run(to, run, bytes, e);
	return io_pread(run->fd, f->map + run->vaddr, bytes, run->offset, e) < 0 ?
		       err_on(e, "pages of shared memory") :
		       0;
}

static int fill(struct filling *f, const struct stored_pages *pages, struct err *e)
{
	for (size_t i = 0; i < pages->count; i++)
		if (fill_run(f, &pages->runs[i], e) < 0)
			return e->code;
	return unpack_run(&f->unpack, e);
}

int rshmem_fill(struct restore *r, const struct shmem_target *to, struct err *e)
{
	own_stored_pages pages = {};
	struct filling f = { .r = r, .to = to, .kept_fd = -1 };
	int res;

	if (intact_load(r, &pages, IMG_PAGEMAP_SHMEM, to->shmid, e) < 0)
		return e->code;
	f.pages_id = pages.pages_id;
	res = fill(&f, &pages, e);
	unpack_drop(&f.unpack);
	if (f.map && f.kept_fd < 0)
		munmap(f.map, to->size);
	r->opt->restore_stats->pages_restored += stored_pages_count(&pages);
	return res;
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
