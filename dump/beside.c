/* A look at the layout beside other work; see beside.h. */
#include "dump/beside.h"

#include "dump/track.h"
#include "lib/background.h"
#include "lib/io.h"

struct beside {
	struct background *background;
	struct pool pool;
	const struct tracks *tracks;
	struct maps *found; /* of each track */
};

static int look(void *arg, struct err *e)
{
	struct beside *b = arg;

	for (size_t i = 0; i < b->tracks->count; i++)
		if (maps_read(b->tracks->all[i].proc_fd, &b->pool, &b->found[i], e) < 0)
			return e->code;
	return 0;
}

struct beside *beside_begin(struct dump *d)
{
	struct beside *b = pool_new(&d->pool, struct beside);
	struct err ignored = { 0 };

	b->tracks = d->tracks;
	b->found = pool_array(&d->pool, struct maps, d->tracks->count + 1);
	b->background = background_start();
	/* Without a second thread, or memory for a job, nothing is looked at. */
	if (b->background && background_add(b->background, look, b, &ignored) < 0)
		(void)!background_finish(b->background, &ignored);
	return b->background && !ignored.code ? b : NULL;
}

void beside_end(struct dump *d, struct beside *b)
{
	struct err ignored = { 0 };

	if (!b)
		return;
	if (background_finish(b->background, &ignored) == 0) {
		for (size_t i = 0; i < d->tracks->count; i++)
			d->tracks->all[i].maps = b->found[i];
		d->tracks->looked_at = io_now_us();
	}
	pool_unite(&d->pool, &b->pool);
}
