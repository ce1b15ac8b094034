/* Tracking between dumps; see keeper.h. */
#include "dump/keeper.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/mm/shmem_held.h"
#include "dump/trackers.h"
#include "images/image.h"
#include "images/tracking.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/uffd.h"

static int fetch_suspects(struct track *k, const TrackedEntry *t, struct err *e)
{
	for (size_t i = 0; i < t->n_suspect; i++) {
		const AddressRangeEntry *s = t->suspect[i];
		uint64_t end = k->suspect.count ? k->suspect.all[k->suspect.count - 1].end : 0;

		if (s->start >= s->end || s->start < end)
			return err_say(e, "what '%s' says of pid %u is damaged", TRACKING_FOLDER,
				       t->pid);
		if (ranges_append(&k->suspect, s->start, s->end, e) < 0)
			return e->code;
	}
	return 0;
}

/* A process that has ended, or called execve(), is passed over. */
static int fetch_one(struct dump *d, int keeper, const TrackedEntry *t, struct err *e)
{
	struct track k = { .pid = t->pid, .start_time = t->start_time, .proc_fd = -1, .uffd = -1 };
	struct err gone = { 0 };
	struct task *task = pool_new(&d->pool, struct task);
	int r;

	own_fd process = tracking_process(t->pid, t->start_time);
	own_fd held = syscall(SYS_pidfd_getfd, keeper, t->uffd, 0);
	if (process < 0 || held < 0 || (!t->has_mark && !uffd_lives(held)) ||
	    proc_open(t->pid, &k.proc_fd, &gone) < 0)
		return 0;
	task->dump = d;
	task->pid = t->pid;
	k.task = task;
	if (t->has_mark)
		soft_track_put(d, &k, take_fd(&held), t->mark);
	else
		k.uffd = take_fd(&held);
	r = fetch_suspects(&k, t, e);
	if (r == 0)
		r = track_add(d, &k, e);
	if (r < 0)
		track_close(&k);
	return r;
}

/* Without them the images are read. */
static void fetch_hashes(struct dump *d, int keeper, const TrackingEntry *kept)
{
	own_fd fd = kept->has_hashes ? syscall(SYS_pidfd_getfd, keeper, kept->hashes, 0) : -1;
	struct err why = { 0 };

	if (fd < 0)
		return;
	if (shmem_kept_read(d, fd, &why) < 0)
		log_debug("what is held of shared objects: %s", why.text);
	else
		log_debug("what is held of shared objects is known from the keeper");
}

static int fetch_all(struct dump *d, const TrackingEntry *kept, const char *images, struct err *e)
{
	own_fd keeper = tracking_process(kept->keeper, kept->keeper_start_time);

	if (keeper < 0) {
		log_info("the keeper is gone, so all pages are saved");
		return 0;
	}
	if (!images || strcmp(images, kept->images) != 0) {
		log_warn("the images named by --prev-images-dir are not those that pages were "
			 "tracked since, so all are saved");
		return 0;
	}
	fetch_hashes(d, keeper, kept);
	for (size_t i = 0; i < kept->n_shared; i++)
		if (shmem_held_own(d, kept->shared[i]->inode, kept->shared[i]->shmid, e) < 0)
			return e->code;
	for (size_t i = 0; i < kept->n_tasks; i++)
		if (fetch_one(d, keeper, kept->tasks[i], e) < 0)
			return e->code;
	return 0;
}

int keeper_fetch(struct dump *d, const char *images, struct err *e)
{
	own_message TrackingEntry *kept = NULL;
	int r = tracking_load(d->opt->tree, &kept, e);

	if (r == 0)
		log_info("nothing is tracked yet, so all pages are saved");
	if (r <= 0)
		return r;
	if (fetch_all(d, kept, images, e) < 0)
		return e->code;
	/* What is protected anew from here on would be missing from what the keeper holds. */
	return tracking_end(d->opt->tree, e) < 0 ? e->code : 0;
}

static TrackedEntry *entry_of(struct dump *d, const struct track *k)
{
	TrackedEntry *t = pool_new(&d->pool, TrackedEntry);

	tracked_entry__init(t);
	t->pid = k->pid;
	t->start_time = k->start_time;
	t->uffd = track_held(k); /* the keeper is a fork of us */
	t->has_mark = k->soft != NULL;
	t->mark = k->soft ? k->soft->mark : 0;
	t->suspect = pool_array(&d->pool, AddressRangeEntry *, k->suspect.count + 1);
	for (size_t i = 0; i < k->suspect.count; i++) {
		AddressRangeEntry *s = pool_new(&d->pool, AddressRangeEntry);

		address_range_entry__init(s);
		s->start = k->suspect.all[i].start;
		s->end = k->suspect.all[i].end;
		t->suspect[t->n_suspect++] = s;
	}
	return t;
}

static void add_shared(struct dump *d, struct tracking *t)
{
	const struct shmem_held *all = d->shmem_helds ? d->shmem_helds->all : NULL;
	size_t count = 0;

	for (const struct shmem_held *h = all; h; h = h->next)
		count += h->owner != 0;
	t->shared = pool_array(&d->pool, RenumberedEntry *, count + 1);
	for (const struct shmem_held *h = all; h; h = h->next) {
		RenumberedEntry *r = pool_new(&d->pool, RenumberedEntry);

		renumbered_entry__init(r);
		r->inode = h->owner;
		r->shmid = h->shmid;
		if (h->owner)
			t->shared[t->shared_count++] = r;
	}
}

int keeper_start(struct dump *d, const char *images, struct err *e)
{
	struct tracking t = { .tree = d->opt->tree, .images = images, .hashes = -1 };
	own_fd hashes = -1;
	size_t count = d->tracks ? d->tracks->count : 0;

	t.tasks = pool_array(&d->pool, TrackedEntry *, count + 1);
	for (size_t i = 0; i < count; i++)
		if (track_held(&d->tracks->all[i]) >= 0)
			t.tasks[t.count++] = entry_of(d, &d->tracks->all[i]);
	add_shared(d, &t);
	if (d->shmem_helds && shmem_kept_write(d, &hashes, e) < 0)
		return e->code;
	t.has_hashes = hashes >= 0;
	t.hashes = hashes;
	return tracking_start(&t, e);
}
