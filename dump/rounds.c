/* Memory saved while the tree runs; see rounds.h. */
#include "dump/rounds.h"

#include <string.h>

#include "dump/beside.h"
#include "dump/core.h"
#include "dump/freeze.h"
#include "dump/guard.h"
#include "dump/ids.h"
#include "dump/memory.h"
#include "dump/mm/shmem.h"
#include "dump/page_server.h"
#include "dump/stream.h"
#include "dump/track.h"
#include "images/image.h"
#include "lib/stats.h"

/* Bytes that are saved in about the time that a look at the layout takes. */
enum { LITTLE = 128 << 20 };

/* Tasks that share their memory, or live in other namespaces, are refused before anything is done to them. */
int rounds_arm(struct dump *d, struct err *e)
{
	struct id_counters before = d->ids;
	int r = ids_read(d, e);

	d->ids = before;
	if (r == 0)
		r = track_arm(d, e);
	return r < 0 ? r : track_register(d, e);
}

/* See track.h; tasks and mappings that are new are tracked from here on. */
static int stop_once(struct dump *d, struct err *e)
{
	int r = freeze_tree(d, e);

	if (r == 0)
		r = rounds_arm(d, e);
	if (r == 0)
		r = track_collect_stopped(d, e);
	freeze_let_go(d);
	return r;
}

static uint64_t collected(const struct dump *d)
{
	uint64_t size = 0;

	for (size_t i = 0; i < d->tracks->count; i++)
		size += ranges_size(&d->tracks->all[i].written);
	return size;
}

static int save_all(struct dump *d, int dir_fd, struct manifest *m, struct err *e)
{
	struct shmem_round shared = { dir_fd, d->tracks->count + 1, m };
	const struct shmem_users users = shmem_tracked(d);

	if (memory_folder(d, dir_fd, e) < 0)
		return e->code;
	/* Their files are not what the other side has, so nothing can be said of them. */
	m->sent = d->outlet;
	if (d->stream)
		m = shared.manifest = NULL;
	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (guard_check(d->guard, e) < 0 ||
		    (memory_save_round(k, dir_fd, i + 1, m, e) < 0 && !track_lost(k, e)))
			return e->code;
	}
	/* A page server gets it whole, in the last stop. */
	return d->outlet ? 0 : shmem_save_round(d, &users, &shared, e);
}

int rounds_save(struct dump *d, int dir_fd, const char *images, struct err *e)
{
	struct dump_stats *stats = d->opt->dump_stats;
	uint64_t before = stats->pages_written + stats->shpages_written;
	struct beside *look = NULL;
	own_manifest m = { 0 };
	int r;

	if (guard_check(d->guard, e) < 0 || track_refresh(d, e) < 0 || track_collect(d, e) < 0 ||
	    stop_once(d, e) < 0)
		return e->code;
	/* If a dump follows, this may well be the last round, and the layout is wanted next. */
	if (!images && collected(d) <= LITTLE)
		look = beside_begin(d);
	r = save_all(d, dir_fd, &m, e);
	beside_end(d, look);
	if (r < 0)
		return r;
	track_drop_lost(d);
	if (stats->rounds < STATS_ROUNDS)
		stats->round_pages[stats->rounds++] =
			stats->pages_written + stats->shpages_written - before;
	if (d->stream)
		return dstream_round_end(d, dir_fd, e);
	if (dserver_finish(d, e) < 0)
		return e->code;
	return image_set_finish(dir_fd, core_inventory_round(d, images), &m, e);
}

int rounds_left(struct dump *d, uint64_t *ret, uint64_t *ret_shared, struct err *e)
{
	struct shmem_users users;
	uint64_t one;

	*ret = 0;
	for (size_t i = 0; i < d->tracks->count; i++) {
		if (track_written(&d->tracks->all[i], &one, e) == 0)
			*ret += one;
		else if (!track_lost(&d->tracks->all[i], e))
			return e->code;
	}
	track_drop_lost(d);
	users = shmem_tracked(d);
	return shmem_left(d, &users, ret_shared, e);
}
