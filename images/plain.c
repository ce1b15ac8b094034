/* Plain pages, read in chunks; see plain.h. */
#include "images/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/page_cache.h"

enum {
	WORTH_IT = 1 << 20, /* bytes; what is in the page cache is worth it later */
	WORTH_IT_CACHED = 8 << 20,
};

/* tmpfs counts nothing but pages, and looks at each of them to find a hole. */
static bool has_no_holes(int fd, const struct stat *st)
{
	struct statfs fs;

	return st->st_blocks * 512 >= st->st_size && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == TMPFS_MAGIC;
}

/* Pages in holes are zero, and need not be put where zeros are. */
static void find_holes(struct packed *p, int fd, const struct stat *st)
{
	off_t end = 0;

	if (has_no_holes(fd, st)) {
		for (uint64_t n = 0; n < p->chunk_count; n++)
			p->index[n].present = UINT64_MAX;
		return;
	}
	for (;;) {
		off_t start = lseek(fd, end, SEEK_DATA);

		if (start < 0)
			return;
		end = lseek(fd, start, SEEK_HOLE);
		for (uint64_t n = start / PAGE_SIZE; (off_t)(n * PAGE_SIZE) < end; n++)
			p->index[n * PAGE_SIZE / p->chunk_size].present |=
				1ULL << n % (p->chunk_size / PAGE_SIZE);
	}
}

/* -1: neither is worth it. */
static int open_again(int fd, const struct stat *st, uint64_t wanted, bool *ret_passes)
{
	*ret_passes = page_cache_lacks(fd, st->st_size);
	if (*ret_passes)
		return page_cache_pass(fd);
	if (st->st_size < WORTH_IT_CACHED || wanted < (uint64_t)st->st_size / 2)
		return -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

int plain_open(struct packed **ret, int fd, const struct plain_file *plain, struct err *e)
{
	bool passes;
	own_packed *p = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat a pages file");
	if (!S_ISREG(st.st_mode) || st.st_size < WORTH_IT || st.st_size % PAGE_SIZE)
		return 0;
	own_fd again = open_again(fd, &st, plain->wanted, &passes);
	if (again < 0)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_sys(e, "memory for pages");
	p->fd = take_fd(&again);
	p->plain = plain;
	p->passes_cache = passes;
	p->chunk_size = PACKED_CHUNK_MAX;
	p->bytes = st.st_size;
	p->chunk_count = (p->bytes + p->chunk_size - 1) / p->chunk_size;
	p->index = calloc(p->chunk_count + 1, sizeof(*p->index));
	if (!p->index)
		return err_sys(e, "memory for pages");
	strcpy(p->name, plain->listed ? plain->listed->name : "a pages file");
	find_holes(p, fd, &st);
	*ret = take_mem(p);
	return 1;
}

static int check(const struct packed *p, uint64_t chunk, const char *data, struct err *e)
{
	const struct listed_file *listed = p->plain->listed;
	uint64_t first = chunk * (PACKED_CHUNK_MAX / MANIFEST_CHUNK);
	uint64_t last = first + PACKED_CHUNK_MAX / MANIFEST_CHUNK;

	for (uint64_t n = first; n < last && n < listed->sum_count; n++)
		if (listed_compare(listed, n, data + (n - first) * MANIFEST_CHUNK, e) < 0)
			return manifest_chain_on(p->plain->folder, e);
	return 0;
}

int plain_read(const struct packed *p, uint64_t chunk, void *buf, struct err *e)
{
	uint64_t at = chunk * p->chunk_size, left = p->bytes - at;

	if (io_pread(p->fd, buf, left < p->chunk_size ? left : p->chunk_size, at, e) < 0)
		return err_on(e, "'%s'", p->name);
	return p->plain->listed ? check(p, chunk, buf, e) : 0;
}
