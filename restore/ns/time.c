/*
 * Clocks. The images have what they showed; the new namespace is as far off the machine's clocks as it takes for them to
 * go on from there.
 */
#include "images/ns/time.pb-c.h"

#include <fcntl.h>

#include "images/image.h"
#include "lib/timens.h"
#include "restore/ns.h"

static int time_load(struct restore *r, uint32_t id, struct err *e)
{
	const Timespec *m, *b;

	if (image_load(r->images, IMG_TIMENS, id, &r->ns->time, e) < 0)
		return e->code;
	m = r->ns->time->monotonic;
	b = r->ns->time->boottime;
	if (m->tv_nsec >= 1000000000 || b->tv_nsec >= 1000000000 || m->tv_sec > INT64_MAX / 4 ||
	    b->tv_sec > INT64_MAX / 4)
		return err_say(e, "'timens-%u.img' has an impossible time", id);
	return 0;
}

static int time_make(struct restore *r, int *ret_fd, struct err *e)
{
	const TimensEntry *t = r->ns->time;
	struct timens offsets = { { t->monotonic->tv_sec, t->monotonic->tv_nsec },
				  { t->boottime->tv_sec, t->boottime->tv_nsec } };
	own_fd self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timens clocks, ours;

	if (self < 0)
		return err_sys(e, "open '/proc/self'");
	if (timens_read(self, &ours, e) < 0)
		return e->code;
	timens_clocks(&clocks);
	timens_subtract(&offsets, &clocks);
	timens_add(&offsets, &ours);
	return timens_make(&offsets, r->ns->fd[NS_USER], ret_fd, e);
}

static void time_close(struct restore *r)
{
	image_message_free(&r->ns->time);
}

const struct ns_restore_kind time_ns_restore_kind = {
	.name = "ns/time",
	.kind = NS_TIME,
	.load = time_load,
	.make = time_make,
	.close = time_close,
};
