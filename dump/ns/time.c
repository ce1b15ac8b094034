/*
 * Clocks. The images have what they showed inside, not how far they are off: the restore is at another time, perhaps on another machine.
 * Where the tree has no time namespace of its own it is what our clocks show, under the number 0.
 */
#include <fcntl.h>

#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/time.pb-c.h"
#include "lib/timens.h"

static void show(const struct timespec *from, Timespec *ret)
{
	timespec__init(ret);
	ret->tv_sec = from->tv_sec;
	ret->tv_nsec = from->tv_nsec;
}

/* That children live in the same one is known by now (dump/ns.c), so the offsets of that are the tree's. */
static int read_clocks(const struct dump *d, struct timens *ret, struct err *e)
{
	own_fd self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct timens ours, its;

	timens_clocks(ret);
	if (!ns_is_own(d, NS_TIME))
		return 0;
	if (self < 0)
		return err_sys(e, "open '/proc/self'");
	if (timens_read(self, &ours, e) < 0 || timens_read(d->tasks[0]->proc_fd, &its, e) < 0)
		return e->code;
	timens_subtract(ret, &ours);
	timens_add(ret, &its);
	return 0;
}

static int time_save(struct dump *d, uint32_t id, struct err *e)
{
	Timespec monotonic, boottime;
	TimensEntry m = TIMENS_ENTRY__INIT;
	struct timens clocks;

	if (read_clocks(d, &clocks, e) < 0)
		return e->code;
	show(&clocks.monotonic, &monotonic);
	show(&clocks.boottime, &boottime);
	m.monotonic = &monotonic;
	m.boottime = &boottime;
	return image_save(d->images, IMG_TIMENS, id, &m, e);
}

const struct ns_kind time_ns_kind = {
	.name = "ns/time",
	.kind = NS_TIME,
	.ours_too = true,
	.save = time_save,
};
