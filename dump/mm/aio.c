/*
 * Rings of Linux AIO (io_setup). The ring is memory like any other, and is stored whole; the context that it
 * belongs to is made anew with as much room.
 *
 * Completed requests lie in the ring. Whether requests are under way cannot be asked: they are given time to
 * complete. One that completes after that is noticed, since the ring then changes, and refuses the dump; one that does not
 * complete at all (IOCB_CMD_POLL) is lost.
 */
#include "dump/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "images/vma.h"
#include "lib/io.h"

/* The beginning of a ring, as the kernel and libaio know it; 32-byte events follow. */
struct ring {
	uint32_t id, nr, head, tail;
	uint32_t magic, compat_features, incompat_features, header_length;
};

enum { RING_MAGIC = 0xa10a10a1, EVENT_SIZE = 32 };

/* Microseconds after which a ring is taken to be quiet; how long after the stop it is waited for. */
enum { QUIET = 20000, PATIENCE = 1000000 };

static bool aio_match(const struct task *, const struct vma *v)
{
	return strncmp(v->name, "/[aio]", 6) == 0 && v->flags & VMA_SH;
}

static uint64_t events_in(const struct vma *v)
{
	return (v->end - v->start - sizeof(struct ring)) / EVENT_SIZE;
}

static int read_ring(const struct task *t, const struct vma *v, struct ring *ret, struct err *e)
{
	struct iovec to = { ret, sizeof(*ret) }, from = { (void *)v->start, sizeof(*ret) };

	if (process_vm_readv(t->pid, &to, 1, &from, 1, 0) != sizeof(*ret))
		return err_sys(e, "read the ring");
	if (ret->magic != RING_MAGIC)
		return err_code(e, ENOTSUP, "it is no ring of AIO that is known here (magic %#x)",
				ret->magic);
	return 0;
}

/* Whether nothing at all is under way at any disk. */
static bool disks_rest(void)
{
	own_dir dir = opendir("/sys/block");
	struct dirent *d;
	bool rest = true;

	while (dir && rest && (d = readdir(dir))) {
		unsigned long reads = 0, writes = 0;
		char path[300];

		snprintf(path, sizeof(path), "/sys/block/%s/inflight", d->d_name);
		own_file f = fopen(path, "re");
		if (f && fscanf(f, "%lu %lu", &reads, &writes) == 2)
			rest = reads + writes == 0;
	}
	return rest;
}

/*
 * The process stands still, so no requests are added, and those that were under way complete in their own time: when
 * neither a result has come nor a disk had anything to do for a while, they have. Their data has to be there
 * before pages are saved.
 */
static int await_quiet(const struct task *t, const struct vma *v, struct ring *ret, struct err *e)
{
	uint64_t frozen = t->dump->frozen_at, last = frozen, now = io_now_us();
	uint32_t tail = 0;

	for (bool first = true;; first = false) {
		if (read_ring(t, v, ret, e) < 0)
			return e->code;
		if ((!first && ret->tail != tail) || !disks_rest())
			last = now;
		tail = ret->tail;
		if (now - last >= QUIET || now - frozen >= PATIENCE)
			return 0;
		usleep(1000);
		now = io_now_us();
	}
}

static int aio_classify(struct task *t, struct vma *v, struct err *e)
{
	struct ring ring;

	if (await_quiet(t, v, &ring, e) < 0)
		return e->code;
	if (ring.nr != events_in(v) || ring.tail >= ring.nr || ring.head >= ring.nr)
		return err_code(e, ENOTSUP,
				"its head (%u), tail (%u) and size (%u) do not fit together",
				ring.head, ring.tail, ring.nr);
	v->status = VMA_AREA_AIORING;
	v->shmid = ring.tail; /* until the entry is made */
	return 0;
}

/* Runs when all pages are copied. */
static int aio_entry(struct task *t, const struct vma *v, VmaEntry *entry, struct err *e)
{
	AioRingEntry *a = pool_new(&t->dump->pool, AioRingEntry);
	AioRingEntry **all = pool_array(&t->dump->pool, AioRingEntry *, t->mm->n_aios + 1);
	struct ring ring;

	if (read_ring(t, v, &ring, e) < 0)
		return e->code;
	if (ring.tail != v->shmid) {
		err_code(e, EBUSY, "asynchronous requests (AIO) are under way");
		return err_hint(e, "try again when they are done");
	}
	entry->shmid = 0;
	aio_ring_entry__init(a);
	a->id = v->start;
	/* The kernel doubles the number it is given, adds two and rounds up to whole pages. */
	a->nr_req = (events_in(v) - 2) / 2;
	a->ring_len = v->end - v->start;
	if (t->mm->n_aios)
		memcpy(all, t->mm->aios, t->mm->n_aios * sizeof(*all));
	all[t->mm->n_aios++] = a;
	t->mm->aios = all;
	return 0;
}

const struct vma_kind aio_vma_kind = {
	.name = "mm/aio",
	.pages = VMA_PAGES_ALL,
	.match = aio_match,
	.classify = aio_classify,
	.entry = aio_entry,
};
