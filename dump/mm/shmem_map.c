/*
 * Shared objects that are mapped here before the last stop: to compare through a mapping takes a third of the time of reading. Only such
 * as keep their size, or the end of one could be taken away under us; and only in the stop, since to read a hole through a
 * mapping puts a page there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/mm/shmem_held.h"
#include "lib/io.h"

enum {
	WORTH_BYTES = 1 << 20,
	AT_ONCE = 2 << 20, /* bytes between two looks whether they are there */
};

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* The time of birth tells it from another one that has its number. */
static bool identify(int fd, struct shmem_identity *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0 ||
	    !(st.stx_mask & STATX_BTIME))
		return false;
	*ret = (struct shmem_identity){ .dev = (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor,
					.ino = st.stx_ino,
					.born_s = st.stx_btime.tv_sec,
					.born_ns = st.stx_btime.tv_nsec };
	return true;
}

static bool is_same(const struct shmem_identity *a, const struct shmem_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->born_s == b->born_s &&
	       a->born_ns == b->born_ns;
}

/* Page tables for what is there. What fails is left to the stop. */
static void populate(const struct shmem_held *h, int fd, const struct ranges *data)
{
	for (size_t i = 0; i < data->count; i++) {
		uint64_t end = data->all[i].end < h->map_size ? data->all[i].end : h->map_size;

		for (uint64_t at = data->all[i].start; at < end; at += AT_ONCE) {
			uint64_t stop = end - at < AT_ONCE ? end : at + AT_ONCE;

			if (lseek(fd, at, SEEK_DATA) == (off_t)at &&
			    lseek(fd, at, SEEK_HOLE) >= (off_t)stop)
				madvise(h->map + at, stop - at, MADV_POPULATE_READ);
		}
	}
}

void shmem_unmap(struct shmem_held *h)
{
	if (h->map)
		munmap(h->map, h->map_size);
	h->map = NULL;
}

void shmem_map(struct shmem_held *h, const struct shmem_contents *c, const struct ranges *data)
{
	uint64_t size = c->size & ~(PAGE_SIZE - 1);
	struct shmem_identity is;

	if (!c->keeps_size || size < WORTH_BYTES || !identify(c->fd, &is))
		return;
	if (h->map && h->map_size == size && is_same(&is, &h->mapped))
		return;
	shmem_unmap(h);
	h->map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_NORESERVE, c->fd, 0);
	if (h->map == MAP_FAILED) {
		h->map = NULL;
		return;
	}
	h->map_size = size;
	h->mapped = is;
	/* A keeper that we fork would hold the object for as long as it lives. */
	if (madvise(h->map, size, MADV_DONTFORK) < 0)
		shmem_unmap(h);
	else
		populate(h, c->fd, data);
}

bool shmem_is_mapped(const struct shmem_held *h, const struct shmem_contents *c)
{
	struct shmem_identity is;

	return h->map && !c->runs_on && c->size >= h->map_size && identify(c->fd, &is) &&
	       is_same(&is, &h->mapped);
}
