/*
 * stasis-extra.img: one record for each thread that has something which CRIU's messages have no field for. Last in
 * the table, since the other kinds fill it.
 */
#include "dump/extra.h"

#include "images/image.h"

ExtraEntry *thread_extra(struct thread *th)
{
	if (!th->extra) {
		th->extra = pool_new(&th->task->dump->pool, ExtraEntry);
		extra_entry__init(th->extra);
		th->extra->tid = th->inner;
	}
	return th->extra;
}

static int write_thread(struct image *img, const struct thread *th, struct err *e)
{
	if (!th->extra)
		return 0;
	/* A file only if there is something to say: most programs need none. */
	if (!img->file && image_create(img, th->task->dump->images, IMG_EXTRA, 0, e) < 0)
		return e->code;
	return image_write(img, th->extra, e);
}

static int extra_finish(struct dump *d, struct err *e)
{
	own_image img = { 0 };

	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			if (write_thread(&img, &d->tasks[i]->threads[k], e) < 0)
				return e->code;
	return image_close(&img, e);
}

const struct task_kind extra_task_kind = {
	.name = "task/extra",
	.finish = extra_finish,
};
