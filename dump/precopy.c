/*
 * Pre-copy; see precopy.h. The folders are precopy-1, precopy-2 and so on, each the parent of the next, like those of
 * pre-dumps: pages that were not written again are taken from there at restore.
 *
 * A round: what was written is found, protected, and after a short stop saved and synced while the tree runs, so that
 * the last stop waits for no disk. Rounds end when what is left is small, or shrinks no more. If it is much then, and the tree
 * is to run on, the rounds are dropped, and its memory is saved behind the stop (dump/cow.h).
 */
#include "dump/precopy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/core.h"
#include "dump/cow.h"
#include "dump/freeze.h"
#include "dump/ns.h"
#include "dump/page_server.h"
#include "dump/increment.h"
#include "dump/mm/shmem_held.h"
#include "dump/rounds.h"
#include "dump/stream.h"
#include "dump/track.h"
#include "images/image.h"
#include "images/tracking.h"
#include "lib/handover.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/stats.h"

enum {
	WORTH_IT =
		32
		<< 20, /* bytes: less is saved in about the time that the stops before would take */
	SHRINKS = 3,   /* quarters: a round after which more than that is left does not help */
	LAST_STOP_US =
		1000, /* for the pages of the last stop, unless --max-freeze says otherwise */
	/* Saving behind the stop does not pay for less: some milliseconds of stop as well, and writers wait. */
	WORTH_WAITING_US = 10000,
	LITTLE_SHARED = 4 << 20, /* bytes that are saved in the stop */
	NAME_SIZE = 32,
};

static const char *round_name(char *buf, unsigned number)
{
	snprintf(buf, NAME_SIZE, "precopy-%u", number);
	return buf;
}

/* What an earlier dump left. */
static void remove_round(int images, const char *name)
{
	own_fd fd = openat(images, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent *entry;

	if (fd < 0)
		return;
	own_dir dir = fdopendir(dup(fd));
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(fd, entry->d_name, 0);
	unlinkat(images, name, AT_REMOVEDIR);
}

static bool leads_to_round(int dir_fd)
{
	char to[NAME_SIZE];
	ssize_t n = readlinkat(dir_fd, "parent", to, sizeof(to) - 1);

	return n > 8 && strncmp(to, "precopy-", 8) == 0;
}

void precopy_undo(struct dump *d)
{
	char name[NAME_SIZE];

	if (leads_to_round(d->images))
		unlinkat(d->images, "parent", 0);
	for (unsigned n = 1; n <= STATS_ROUNDS; n++)
		remove_round(d->images, round_name(name, n));
}

static int link_parent(int dir_fd, const char *to, struct err *e)
{
	return symlinkat(to, dir_fd, "parent") < 0 ? err_sys(e, "create the link 'parent'") : 0;
}

/* The first round comes after what the user has called the folder before, if anything. */
static int link_first(struct dump *d, int dir_fd, struct err *e)
{
	char to[PATH_MAX], out[PATH_MAX + 4];
	ssize_t n = readlinkat(d->images, "parent", to, sizeof(to) - 1);

	if (n < 0 || !d->opt->prev_images_dir)
		return 0;
	to[n] = 0;
	snprintf(out, sizeof(out), "%s%s", *to == '/' ? "" : "../", to);
	return link_parent(dir_fd, out, e);
}

static int make_folder(struct dump *d, unsigned round, int *ret, struct err *e)
{
	char name[NAME_SIZE], before[NAME_SIZE + 3];

	round_name(name, round);
	if (mkdirat(d->images, name, 0755) < 0)
		return err_sys(e, "create the folder '%s'", name);
	*ret = openat(d->images, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret < 0)
		return err_sys(e, "open the folder '%s'", name);
	if (round == 1)
		return link_first(d, *ret, e);
	strcpy(before, "../");
	round_name(before + 3, round - 1);
	return link_parent(*ret, before, e);
}

/* How far it has come. */
struct progress {
	uint64_t left, shared; /* bytes written since the last count: all, and of shared objects */
	uint64_t bytes, time_us; /* of all rounds so far */
};

static int count_left(struct dump *d, struct progress *p, struct err *e)
{
	if (rounds_left(d, &p->left, &p->shared, e) < 0)
		return e->code;
	p->left += p->shared;
	return 0;
}

static int do_round(struct dump *d, unsigned round, struct progress *p, struct err *e)
{
	const struct dump_stats *stats = d->opt->dump_stats;
	uint64_t begin = io_now_us(), zero = stats->pages_zero;
	const struct handover *h = d->opt->handover;
	own_fd folder = -1;
	int r;

	if (h)
		h->round(h->arg, round, p->left);
	if (make_folder(d, round, &folder, e) < 0 ||
	    (d->stream && dstream_round_begin(d, round, e) < 0) ||
	    rounds_save(d, folder, NULL, e) < 0)
		return err_on(e, "round %u of pre-copy", round);
	p->time_us += io_now_us() - begin;
	/* Pages that are all zero have been read as well. */
	p->bytes += (stats->round_pages[round - 1] + stats->pages_zero - zero) * PAGE_SIZE;
	r = count_left(d, p, e);
	if (r == 0 && h)
		h->written(h->arg, p->left, io_now_us() - begin);
	return r;
}

/* For so much. */
static uint64_t would_take_us(const struct progress *p, uint64_t bytes)
{
	return p->bytes ? bytes * p->time_us / p->bytes : 0;
}

static uint64_t limit_us(const struct dump *d)
{
	return d->opt->max_freeze ? d->opt->max_freeze * 1000ULL : LAST_STOP_US;
}

static bool is_enough(const struct dump *d, const struct progress *p, uint64_t left_before)
{
	return would_take_us(p, p->left) <= limit_us(d) || p->left / SHRINKS * 4 > left_before;
}

/*
 * The tree writes as fast as it is saved. What then has to be borne, if it runs on: that it waits for its pages. Shared
 * memory would be saved in the stop that way as well, all of it.
 */
static bool is_hopeless(const struct dump *d, const struct progress *p)
{
	uint64_t took = would_take_us(p, p->left - p->shared);

	return d->opt->freeze == FREEZE_AUTO && took > limit_us(d) && took > WORTH_WAITING_US &&
	       track_way() == TRACK_UFFD && cow_is_possible(d->opt);
}

/* As if there had been none. */
static void forget_rounds(struct dump *d)
{
	struct dump_stats *stats = d->opt->dump_stats;

	log_info("pre-copy does not come to an end: memory is saved while the tree runs on");
	precopy_undo(d);
	track_drop(d);
	shmem_held_drop(d);
	*stats = (struct dump_stats){ .freezing_time = stats->freezing_time,
				      .frozen_time = stats->frozen_time,
				      .longest_stop = stats->longest_stop,
				      .stops = stats->stops,
				      .freeze = FREEZE_STOP };
	d->runs_on = true;
}

static int run_rounds(struct dump *d, struct err *e)
{
	struct progress p = { .left = UINT64_MAX };
	char name[NAME_SIZE];

	d->opt->dump_stats->freeze = FREEZE_PRECOPY;
	for (unsigned round = 1; round <= d->opt->max_rounds; round++) {
		uint64_t left_before = p.left;

		if (do_round(d, round, &p, e) < 0)
			return e->code;
		log_debug("round %u of pre-copy: %lu pages, %lu KiB written since", round,
			  d->opt->dump_stats->round_pages[round - 1], p.left >> 10);
		if (is_enough(d, &p, left_before))
			break;
	}
	if (is_hopeless(d, &p)) {
		forget_rounds(d);
		return 0;
	}
	if (d->opt->prev_images_dir)
		unlinkat(d->images, "parent", 0);
	return link_parent(d->images, round_name(name, d->opt->dump_stats->rounds), e);
}

/* Private memory, and the most that one has of what is shared: others may have the same. */
static int memory_of_tree(const struct dump *d, uint64_t *ret, struct err *e)
{
	uint64_t most = 0;

	*ret = 0;
	for (size_t i = 0; i < d->task_count; i++) {
		uint64_t kib = 0, shared = 0;
		int proc = d->tasks[i]->proc_fd;

		if (d->tasks[i]->state == TASK_DEAD)
			continue;
		if (proc_status_number(proc, "RssAnon", 10, &kib, e) < 0 ||
		    proc_status_number(proc, "RssShmem", 10, &shared, e) < 0)
			return e->code;
		*ret += kib << 10;
		most = most > shared ? most : shared;
	}
	*ret += most << 10;
	return 0;
}

/* 1: rounds are worth it. */
static int is_wanted(const struct dump *d, uint64_t bytes)
{
	return d->opt->freeze == FREEZE_PRECOPY || bytes >= WORTH_IT;
}

/* Stops the tree and prepares tracking. 1: rounds are worth it, and the tree runs; 0: it is still stopped. */
static int begin(struct dump *d, struct err *e)
{
	uint64_t bytes;

	/* Which mappings of files can be tracked is not asked for in a stop. */
	if (d->tracks && track_prepare(d, e) < 0)
		return e->code;
	if (freeze_tree(d, e) < 0 || memory_of_tree(d, &bytes, e) < 0)
		return e->code;
	if (!d->track_mem && !is_wanted(d, bytes))
		return 0;
	/* A mapping belongs to one userfaultfd: what a keeper holds could not be tracked. */
	if ((!d->track_mem && tracking_end(d->opt->tree, e) < 0) || rounds_arm(d, e) < 0)
		return e->code;
	if (d->tracks->count == 0) {
		if (d->opt->freeze == FREEZE_PRECOPY || d->track_mem)
			log_warn(
				"written pages cannot be told from others here, so all are saved "
				"while the tree stands still; 'stasis check' says what is missing");
		return 0;
	}
	freeze_let_go(d);
	return 1;
}

static int save_shared(struct dump *d, const struct shmem_users *users, unsigned number,
		       struct err *e)
{
	struct shmem_round r = { .dir_fd = -1, .pages_id = 1 };
	own_manifest m = { 0 };
	own_fd folder = -1;

	if (make_folder(d, number, &folder, e) < 0)
		return e->code;
	r.dir_fd = folder;
	r.manifest = &m;
	if (shmem_save_round(d, users, &r, e) < 0)
		return e->code;
	return image_set_finish(folder, core_inventory_round(d, NULL), &m, e);
}

/*
 * Shared memory is not protected behind a stop: others may have it too, or a descriptor of it. So it is saved in rounds before, and the
 * stop has to compare it only.
 */
static int run_shared_rounds(struct dump *d, const struct shmem_users *users, struct err *e)
{
	uint64_t left = UINT64_MAX, before;
	unsigned number = 0;
	char name[NAME_SIZE];

	do {
		before = left;
		if (save_shared(d, users, ++number, e) < 0 || shmem_left(d, users, &left, e) < 0)
			return err_on(e, "round %u of shared memory", number);
		log_debug("round %u of shared memory: %lu KiB written since", number, left >> 10);
	} while (left > LITTLE_SHARED && left / SHRINKS * 4 < before &&
		 number < d->opt->max_rounds);
	return link_parent(d->images, round_name(name, number), e);
}

static int prepare_to_run_on(struct dump *d, struct err *e)
{
	struct shmem_users users = { 0 };
	uint64_t bytes = 0;
	int r;

	if (d->opt->prev_images_dir)
		return 0; /* all is saved in the stop */
	r = shmem_users_find(d, &users, e);
	if (r == 0)
		r = shmem_left(d, &users, &bytes, e);
	if (r == 0 && bytes >= WORTH_IT)
		r = run_shared_rounds(d, &users, e);
	shmem_users_close(&users);
	return r;
}

/* With what is known from the dump before, little may be left. */
static int run_and_stop(struct dump *d, struct err *e)
{
	struct progress p = { 0 };

	if (track_refresh(d, e) < 0 || count_left(d, &p, e) < 0)
		return e->code;
	if (d->opt->freeze != FREEZE_STOP && !dserver_takes(d) && is_wanted(d, p.left) &&
	    run_rounds(d, e) < 0)
		return e->code;
	if (d->runs_on) /* it is stopped when its memory has been protected */
		return prepare_to_run_on(d, e);
	if (track_look_again(d, e) < 0)
		return e->code;
	return track_release(d, e) < 0 ? e->code : freeze_tree(d, e);
}

int precopy_run(struct dump *d, struct err *e)
{
	int r;

	precopy_undo(d);
	d->runs_on = d->opt->freeze == FREEZE_COW;
	d->opt->dump_stats->freeze = FREEZE_STOP;
	/* Of an earlier dump into this folder; nothing of ours will be looked for there. */
	if (!d->opt->prev_images_dir)
		unlinkat(d->images, "parent", 0);
	if (increment_begin(d, e) < 0)
		return e->code;
	if (d->runs_on)
		return prepare_to_run_on(d, e);
	if ((d->opt->stream && !d->opt->handover) || (dserver_takes(d) && !d->track_mem) ||
	    (d->opt->freeze == FREEZE_STOP && !d->track_mem))
		return 0;
	r = begin(d, e);
	return r > 0 ? run_and_stop(d, e) : r;
}
