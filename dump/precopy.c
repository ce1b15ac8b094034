/*
 * Pre-copy; see precopy.h. The folders are precopy-1, precopy-2 and so on, each the parent of the next, like those of
 * pre-dumps: pages that were not written again are taken from there at restore.
 *
 * A round: what was written is found, protected, and after a short stop saved and synced while the tree runs, so that
 * the last stop waits for no disk. Rounds end when what is left is small, or shrinks no more.
 */
#include "dump/precopy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump/core.h"
#include "dump/freeze.h"
#include "dump/guard.h"
#include "dump/ids.h"
#include "dump/memory.h"
#include "dump/track.h"
#include "images/image.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/stats.h"

enum {
	WORTH_IT =
		32
		<< 20, /* bytes: less is saved in about the time that the stops before would take */
	SHRINKS = 3,   /* quarters: a round after which more than that is left does not help */
	LAST_STOP_US =
		1000, /* for the pages of the last stop, unless --max-freeze says otherwise */
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

static void remove_rounds(int images)
{
	char name[NAME_SIZE];

	for (unsigned n = 1; n <= STATS_ROUNDS; n++)
		remove_round(images, round_name(name, n));
}

static bool leads_to_round(int dir_fd)
{
	char to[NAME_SIZE];
	ssize_t n = readlinkat(dir_fd, "parent", to, sizeof(to) - 1);

	return n > 0 && strncmp(to, "precopy-", 8) == 0;
}

void precopy_undo(struct dump *d)
{
	if (leads_to_round(d->images))
		unlinkat(d->images, "parent", 0);
	remove_rounds(d->images);
}

static int link_parent(int dir_fd, const char *to, struct err *e)
{
	return symlinkat(to, dir_fd, "parent") < 0 ? err_sys(e, "create the link 'parent'") : 0;
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
		return 0;
	strcpy(before, "../");
	round_name(before + 3, round - 1);
	return link_parent(*ret, before, e);
}

/* Tasks that share their memory, or live in other namespaces, are refused before anything is done to them. */
static int arm(struct dump *d, struct err *e)
{
	struct id_counters before = d->ids;
	int r = ids_read(d, e);

	d->ids = before;
	return r < 0 ? r : track_arm(d, e);
}

static uint64_t pages_written(const struct dump *d)
{
	return d->opt->dump_stats->pages_written;
}

/* Saves what the last stop has found. */
static int save_round(struct dump *d, unsigned round, struct err *e)
{
	struct dump_stats *stats = d->opt->dump_stats;
	uint64_t before = pages_written(d);
	own_manifest m = { 0 };
	own_fd folder = -1;

	if (make_folder(d, round, &folder, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (guard_check(d->guard, e) < 0 ||
		    (memory_save_round(k, folder, i + 1, &m, e) < 0 && track_lives(k)))
			return e->code;
	}
	track_drop_lost(d);
	stats->round_pages[stats->rounds++] = pages_written(d) - before;
	return image_set_finish(folder, core_inventory_round(d), &m, e);
}

/* One short stop (see track.h), in which tasks that are new get a track. */
static int stop_once(struct dump *d, struct err *e)
{
	int r = freeze_tree(d, e);

	if (r == 0)
		r = arm(d, e);
	freeze_let_go(d);
	return r;
}

static int written_by_now(const struct dump *d, uint64_t *ret, struct err *e)
{
	uint64_t one;

	*ret = 0;
	for (size_t i = 0; i < d->tracks->count; i++) {
		if (track_written(&d->tracks->all[i], &one, e) == 0)
			*ret += one;
		else if (track_lives(&d->tracks->all[i]))
			return e->code;
	}
	return 0;
}

/* How far it has come. */
struct progress {
	uint64_t left;		 /* bytes written since the last count */
	uint64_t bytes, time_us; /* of all rounds so far */
};

static int do_round(struct dump *d, unsigned round, struct progress *p, struct err *e)
{
	uint64_t before = pages_written(d), begin;

	if (guard_check(d->guard, e) < 0 || track_collect(d, e) < 0 || stop_once(d, e) < 0)
		return e->code;
	begin = io_now_us();
	if (save_round(d, round, e) < 0)
		return err_on(e, "round %u of pre-copy", round);
	p->time_us += io_now_us() - begin;
	p->bytes += (pages_written(d) - before) * PAGE_SIZE;
	return 0;
}

static bool is_enough(const struct dump *d, const struct progress *p, uint64_t left_before)
{
	uint64_t limit = d->opt->max_freeze ? d->opt->max_freeze * 1000ULL : LAST_STOP_US;
	uint64_t would_take = p->bytes ? p->left * p->time_us / p->bytes : 0;

	return would_take <= limit || p->left / SHRINKS * 4 > left_before;
}

static int run_rounds(struct dump *d, struct err *e)
{
	struct progress p = { .left = UINT64_MAX };

	for (unsigned round = 1; round <= d->opt->max_rounds; round++) {
		uint64_t left_before = p.left;

		if (do_round(d, round, &p, e) < 0 || written_by_now(d, &p.left, e) < 0)
			return e->code;
		log_debug("round %u of pre-copy: %lu pages, %lu KiB written since", round,
			  d->opt->dump_stats->round_pages[round - 1], p.left >> 10);
		if (is_enough(d, &p, left_before))
			break;
	}
	return 0;
}

/* Of private memory, at least; what is shared is saved in the stop anyway. */
static int memory_of_tree(const struct dump *d, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < d->task_count; i++) {
		uint64_t kib = 0;

		if (d->tasks[i]->state == TASK_DEAD)
			continue;
		if (proc_status_number(d->tasks[i]->proc_fd, "RssAnon", 10, &kib, e) < 0)
			return e->code;
		*ret += kib << 10;
	}
	return 0;
}

/* 1: yes; the tree is stopped. */
static int is_wanted(struct dump *d, struct err *e)
{
	uint64_t bytes;

	if (d->opt->freeze == FREEZE_PRECOPY)
		return 1;
	if (memory_of_tree(d, &bytes, e) < 0)
		return e->code;
	return bytes >= WORTH_IT;
}

int precopy_run(struct dump *d, struct err *e)
{
	char name[NAME_SIZE];
	int r;

	precopy_undo(d);
	if (d->opt->freeze == FREEZE_STOP)
		return 0;
	if (freeze_tree(d, e) < 0)
		return e->code;
	r = is_wanted(d, e);
	if (r <= 0)
		return r;
	if (arm(d, e) < 0)
		return e->code;
	if (d->tracks->count == 0) {
		log_warn("written pages cannot be told from others here, so all are saved while "
			 "the tree stands still; 'stasis check' says what is missing");
		return 0;
	}
	freeze_let_go(d);
	if (run_rounds(d, e) < 0)
		return e->code;
	if (link_parent(d->images, round_name(name, d->opt->dump_stats->rounds), e) < 0 ||
	    track_cover(d, e) < 0)
		return e->code;
	return freeze_tree(d, e);
}
