/* stasis-extra.img: what threads have beyond CRIU's messages. Images of CRIU have no such file. */
#include "restore/extra.h"

#include <errno.h>

#include "images/image.h"

/* Records come in the order of the threads; where the search stands is kept. */
struct cursor {
	size_t task, thread;
};

static struct rthread *current(struct restore *r, const struct cursor *c)
{
	struct rtask *t = c->task < r->task_count ? r->tasks[c->task] : NULL;

	return t && c->thread < t->thread_count ? &t->threads[c->thread] : NULL;
}

static struct rthread *find(struct restore *r, struct cursor *c, int tid)
{
	for (; c->task < r->task_count; c->task++, c->thread = 0)
		for (; current(r, c); c->thread++)
			if (current(r, c)->tid == tid)
				return current(r, c);
	return NULL;
}

static int load_records(struct restore *r, struct image *img, struct err *e)
{
	struct cursor c = { 0 };
	int got;

	for (;;) {
		own_message ExtraEntry *x = NULL;
		struct rthread *th;

		got = image_read(img, &extra_entry__descriptor, &x, e);
		if (got <= 0)
			return got;
		th = find(r, &c, x->tid);
		if (!th || th->extra || !th->core || !th->core->thread_info)
			return err_say(e,
				       "'stasis-extra.img' has a record of thread %u, which is not "
				       "where it belongs",
				       x->tid);
		th->extra = take_mem(x);
	}
}

static int extra_load(struct restore *r, struct err *e)
{
	own_image img = { 0 };

	if (image_open(&img, r->images, IMG_EXTRA, 0, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
		return 0;
	}
	return load_records(r, &img, e);
}

const struct restore_kind extra_restore_kind = {
	.name = "task/extra",
	.load = extra_load,
};
