/*
 * What a folder holds of shared objects, for the dump that comes next, so that it need not read the images: a sealed memfd that
 * goes to the keeper (dump/keeper.h), and with it. Written and read by the same program on the same machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump/mm/shmem_held.h"
#include "lib/io.h"

enum { BUFFER = 1 << 20 };
#define MOST_PAGES (1UL << 40)

/* Hashes of pages in a row follow; count 0: the end. */
struct kept_run {
	uint64_t shmid, first, count;
};

static int write_runs(FILE *f, const struct shmem_held *h)
{
	for (uint64_t at = 0, end = h->pages * PAGE_SIZE, stop; at < end; at = stop) {
		struct kept_run run = { .shmid = h->shmid, .first = at / PAGE_SIZE };

		if (!shmem_held_has(h, at, end, &stop))
			continue;
		run.count = (stop - at) / PAGE_SIZE;
		fwrite(&run, sizeof(run), 1, f);
		fwrite(h->hashes + run.first, sizeof(*h->hashes), run.count, f);
	}
	return ferror(f);
}

static int write_all(const struct shmem_helds *all, FILE *f)
{
	const struct kept_run end = { 0 };
	int failed = 0;

	fwrite(&all->secret, sizeof(all->secret), 1, f);
	for (const struct shmem_held *h = all->all; h && !failed; h = h->next)
		failed = write_runs(f, h);
	fwrite(&end, sizeof(end), 1, f);
	return fflush(f) != 0 || failed ? -1 : 0;
}

int shmem_kept_write(const struct dump *d, int *ret, struct err *e)
{
	own_fd fd = memfd_create("stasis-hashes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	own_fd copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	int r;

	if (!f)
		return err_sys(e, "memory for what is held of shared objects");
	take_fd(&copy);
	setvbuf(f, NULL, _IOFBF, BUFFER);
	r = write_all(d->shmem_helds, f);
	if (fclose(f) != 0 || r < 0)
		return err_sys(e, "keep what is held of shared objects");
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_sys(e, "seal what is held of shared objects");
	*ret = take_fd(&fd);
	return 0;
}

static int read_run(struct dump *d, FILE *f, const struct kept_run *run, struct err *e)
{
	struct shmem_held *h;

	if (run->first > MOST_PAGES || run->count > MOST_PAGES)
		return err_say(e, "it is damaged");
	h = shmem_held_make(d, run->shmid, (run->first + run->count) * PAGE_SIZE, e);
	if (!h)
		return e->code ? e->code : err_code(e, ENOMEM, "there is no memory for it");
	if (fread(h->hashes + run->first, sizeof(*h->hashes), run->count, f) != run->count)
		return err_say(e, "it is cut short");
	return 0;
}

static int read_all(struct dump *d, FILE *f, struct err *e)
{
	struct kept_run run;

	if (shmem_held_begin(d, e) < 0)
		return e->code;
	if (fread(&d->shmem_helds->secret, sizeof(d->shmem_helds->secret), 1, f) != 1)
		return err_say(e, "it is cut short");
	for (;;) {
		if (fread(&run, sizeof(run), 1, f) != 1)
			return err_say(e, "it is cut short");
		if (run.count == 0)
			return 0;
		if (read_run(d, f, &run, e) < 0)
			return e->code;
	}
}

int shmem_kept_read(struct dump *d, int fd, struct err *e)
{
	own_fd copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *f = copy < 0 || lseek(copy, 0, SEEK_SET) < 0 ? NULL : fdopen(copy, "r");
	int r;

	if (!f)
		return err_sys(e, "open it");
	take_fd(&copy);
	setvbuf(f, NULL, _IOFBF, BUFFER);
	r = read_all(d, f, e);
	fclose(f);
	/* By halves it is of no use. */
	if (r < 0)
		shmem_held_drop(d);
	else
		d->shmem_helds->complete = true;
	return r;
}
