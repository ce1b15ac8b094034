/* What the folder before holds of shared objects; see shmem_held.h. */
#include "dump/mm/shmem_held.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "images/packed.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/log.h"

enum { READ_PAGES = PACKED_CHUNK / PAGE_SIZE };

/* Of an object of that size there would be a table that no address space has room for. */
#define MOST_BYTES (1UL << 46)

static bool is_held(const struct page_hash *h)
{
	return h->low | h->high;
}

static struct shmem_held **bucket_of(struct shmem_helds *all, uint64_t shmid)
{
	return &all->buckets[shmid % SHMEM_HELD_BUCKETS];
}

struct shmem_held *shmem_held_find(const struct dump *d, uint64_t shmid)
{
	struct shmem_held *h = d->shmem_helds ? *bucket_of(d->shmem_helds, shmid) : NULL;

	while (h && h->shmid != shmid)
		h = h->next_alike;
	return h;
}

int shmem_held_begin(struct dump *d, struct err *e)
{
	struct shmem_helds *all;

	if (d->shmem_helds)
		return 0;
	all = pool_new(&d->pool, struct shmem_helds);
	if (getrandom(&all->secret, sizeof(all->secret), 0) != sizeof(all->secret))
		return err_sys(e, "getrandom");
	d->shmem_helds = all;
	return 0;
}

/* Only what is touched takes memory. A keeper that we fork has no use for it. */
static struct page_hash *make_table(uint64_t pages)
{
	void *at = mmap(NULL, pages * sizeof(struct page_hash), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	(void)!madvise(at, pages * sizeof(struct page_hash), MADV_DONTFORK);
	return at;
}

static bool make_room(struct shmem_held *h, uint64_t pages)
{
	void *at;

	if (pages <= h->pages)
		return true;
	at = h->hashes ? mremap(h->hashes, h->pages * sizeof(*h->hashes),
				pages * sizeof(*h->hashes), MREMAP_MAYMOVE) :
			 make_table(pages);
	if (!at || at == MAP_FAILED)
		return false;
	h->hashes = at;
	h->pages = pages;
	return true;
}

struct shmem_held *shmem_held_make(struct dump *d, uint64_t shmid, uint64_t size, struct err *e)
{
	struct shmem_held *h = shmem_held_find(d, shmid);

	if (size > MOST_BYTES || shmem_held_begin(d, e) < 0)
		return NULL;
	if (!h) {
		h = pool_new(&d->pool, struct shmem_held);
		h->shmid = shmid;
		h->secret = &d->shmem_helds->secret;
		h->next = d->shmem_helds->all;
		d->shmem_helds->all = h;
		h->next_alike = *bucket_of(d->shmem_helds, shmid);
		*bucket_of(d->shmem_helds, shmid) = h;
	}
	return make_room(h, (size + PAGE_SIZE - 1) / PAGE_SIZE) ? h : NULL;
}

static struct shmem_held *find_owned(const struct dump *d, uint64_t ino)
{
	struct shmem_held *h = d->shmem_helds ? d->shmem_helds->owned[ino % SHMEM_HELD_BUCKETS] :
						NULL;

	while (h && h->owner != ino)
		h = h->next_owned;
	return h;
}

int shmem_held_own(struct dump *d, uint64_t ino, uint64_t shmid, struct err *e)
{
	struct shmem_held *h = shmem_held_make(d, shmid, 0, e), **bucket;

	if (!h)
		return e->code;
	if (h->owner || !ino || find_owned(d, ino))
		return 0;
	bucket = &d->shmem_helds->owned[ino % SHMEM_HELD_BUCKETS];
	h->owner = ino;
	h->next_owned = *bucket;
	*bucket = h;
	return 0;
}

bool shmem_held_is_owned(const struct dump *d, uint64_t shmid)
{
	const struct shmem_held *h = shmem_held_find(d, shmid);

	return h && h->owner;
}

uint64_t shmem_held_id(const struct dump *d, uint64_t ino)
{
	const struct shmem_held *mine = find_owned(d, ino);

	if (mine)
		return mine->shmid;
	return shmem_held_is_owned(d, ino) ? 0 : ino;
}

void shmem_held_forget(struct shmem_held *h, uint64_t start, uint64_t end)
{
	uint64_t from = start / PAGE_SIZE, to = (end + PAGE_SIZE - 1) / PAGE_SIZE;
	char *at, *stop, *inner, *inner_end;

	to = to < h->pages ? to : h->pages;
	if (from >= to)
		return;
	at = (char *)(h->hashes + from);
	stop = (char *)(h->hashes + to);
	inner = (char *)(((uintptr_t)at + PAGE_SIZE - 1) & -PAGE_SIZE);
	inner_end = (char *)((uintptr_t)stop & -PAGE_SIZE);
	if (inner >= inner_end || madvise(inner, inner_end - inner, MADV_DONTNEED) < 0) {
		memset(at, 0, stop - at);
		return;
	}
	memset(at, 0, inner - at);
	memset(inner_end, 0, stop - inner_end);
}

bool shmem_held_has(const struct shmem_held *h, uint64_t at, uint64_t end, uint64_t *ret_end)
{
	uint64_t n = at / PAGE_SIZE, stop = end / PAGE_SIZE;
	bool has = n < h->pages && is_held(&h->hashes[n]);

	for (n++; n < stop; n++)
		if ((n < h->pages && is_held(&h->hashes[n])) != has)
			break;
	*ret_end = n * PAGE_SIZE;
	return has;
}

void shmem_held_put(struct shmem_held *h, uint64_t at, const void *page)
{
	if (at / PAGE_SIZE < h->pages)
		h->hashes[at / PAGE_SIZE] = hash_page(h->secret, page);
}

void shmem_held_begin_pass(struct dump *d)
{
	if (d->shmem_helds)
		d->shmem_helds->pass++;
}

void shmem_held_forget_others(struct dump *d)
{
	if (!d->shmem_helds)
		return;
	for (struct shmem_held *h = d->shmem_helds->all; h; h = h->next)
		if (h->pass != d->shmem_helds->pass)
			shmem_held_forget(h, 0, h->pages * PAGE_SIZE);
}

static void drop(struct shmem_held *h)
{
	if (h->hashes)
		munmap(h->hashes, h->pages * sizeof(*h->hashes));
	ranges_free(&h->due);
	shmem_unmap(h);
}

void shmem_held_drop(struct dump *d)
{
	for (struct shmem_held *h = d->shmem_helds ? d->shmem_helds->all : NULL; h; h = h->next)
		drop(h);
	d->shmem_helds = NULL;
}

static int load_run(struct shmem_held *h, const struct stored_run *run, char *buf, struct err *e)
{
	uint64_t count = run->flags & PE_PRESENT ? run->nr_pages : 0;

	for (uint64_t n = 0, next; n < count; n = next) {
		uint64_t offset = run->offset + n * PAGE_SIZE;

		/* Up to the end of a chunk, so that each is expanded once. */
		next = n + READ_PAGES - offset / PAGE_SIZE % READ_PAGES;
		next = next < count ? next : count;
		if (stored_run_read(run, buf, (next - n) * PAGE_SIZE, offset, e) < 0)
			return e->code;
		for (uint64_t i = n; i < next; i++)
			shmem_held_put(h, run->vaddr + i * PAGE_SIZE, buf + (i - n) * PAGE_SIZE);
	}
	return 0;
}

/* What is known already has to be in the folder all the same. */
static void forget_missing(struct shmem_held *h, const struct stored_pages *pages)
{
	uint64_t before = 0;

	for (size_t i = 0; i < pages->count; i++) {
		const struct stored_run *run = &pages->runs[i];

		if (!(run->flags & PE_PRESENT))
			continue;
		shmem_held_forget(h, before, run->vaddr);
		before = run->vaddr + run->nr_pages * PAGE_SIZE;
	}
	shmem_held_forget(h, before, h->pages * PAGE_SIZE);
}

static int load_object(struct dump *d, int folder, uint64_t shmid, char *buf, struct err *e)
{
	own_stored_pages pages = {};
	const struct stored_run *last;
	struct shmem_held *h;

	if (stored_pages_load(&pages, folder, IMG_PAGEMAP_SHMEM, shmid, e) < 0)
		return e->code;
	last = pages.count ? &pages.runs[pages.count - 1] : NULL;
	h = shmem_held_make(d, shmid, last ? last->vaddr + last->nr_pages * PAGE_SIZE : 0, e);
	if (!h)
		return e->code;
	if (d->shmem_helds->complete) {
		h->pass = d->shmem_helds->pass;
		forget_missing(h, &pages);
		return 0;
	}
	for (size_t i = 0; i < pages.count; i++) {
		if (load_run(h, &pages.runs[i], buf, e) == 0)
			continue;
		shmem_held_forget(h, 0, h->pages * PAGE_SIZE);
		return e->code;
	}
	return 0;
}

int shmem_held_load(struct dump *d, int folder, struct err *e)
{
	own_fd fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	own_mem char *buf = malloc(READ_PAGES * PAGE_SIZE);
	struct dirent *entry;

	if (!dir || !buf)
		return err_sys(e, "read the folder before");
	take_fd(&fd);
	shmem_held_begin_pass(d);
	while ((entry = readdir(dir))) {
		enum image_kind kind;
		struct err why = { 0 };
		uint64_t id;

		if (!image_name_parse(entry->d_name, &kind, &id) || kind != IMG_PAGEMAP_SHMEM)
			continue;
		if (load_object(d, folder, id, buf, &why) < 0)
			log_warn("all of shared memory %lu is saved: 'parent': %s", id, why.text);
	}
	if (d->shmem_helds && d->shmem_helds->complete)
		shmem_held_forget_others(d);
	return 0;
}
