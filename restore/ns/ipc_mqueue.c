/* The POSIX message queues that have a name in an IPC namespace of the tree's own. They are gone with it if the restore fails. */
#include <errno.h>
#include <stdlib.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/mqueues.h"
#include "restore/ns.h"

int ipc_mqueues_load(struct restore *r, uint32_t ns, struct err *e)
{
	struct ipc_mqueues *all = r->ns->mqueues = pool_new(&r->pool, struct ipc_mqueues);
	own_image img = { 0 };
	int got = image_open(&img, r->images, IMG_IPC_MQUEUE, ns, e);

	if (got == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	while (got == 0) {
		MqueueEntry *q = NULL;

		got = image_read(&img, &mqueue_entry__descriptor, &q, e);
		if (got <= 0)
			return got;
		if (io_grow(&all->at, all->count, sizeof(MqueueEntry *), e) < 0) {
			image_message_free(&q);
			return e->code;
		}
		all->at[all->count++] = q;
		got = 0;
		if (q->name[0] != '/' || q->unlinked)
			return err_say(e, "'%s' has a queue '%s', which cannot be", img.name,
				       q->name);
	}
	return got;
}

static int make(const MqueueEntry *q, struct err *e)
{
	own_fd fd = -1;
	int got;

	if (rmqueue_create(q, q->name, &got, e) < 0)
		return e->code;
	fd = got;
	return rmqueue_fill(q, fd, e);
}

int ipc_mqueues_make(const struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->ns->mqueues->count; i++)
		if (make(r->ns->mqueues->at[i], e) < 0)
			return err_on(e, "the POSIX message queue '%s'",
				      r->ns->mqueues->at[i]->name);
	return 0;
}

void ipc_mqueues_close(struct restore *r)
{
	struct ipc_mqueues *all = r->ns->mqueues;

	for (size_t i = 0; all && i < all->count; i++)
		image_message_free(&all->at[i]);
	if (all)
		free(all->at);
}
