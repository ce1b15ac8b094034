/* A pre-dump, as a list of steps: one round of saving memory into a folder of its own; tracking goes on behind it. */
#include <errno.h>

#include "dump/dump.h"
#include "dump/fanotify.h"
#include "dump/freeze.h"
#include "dump/freezer.h"
#include "dump/guard.h"
#include "dump/increment.h"
#include "dump/mm/shmem_held.h"
#include "dump/ns.h"
#include "dump/page_server.h"
#include "dump/rounds.h"
#include "dump/track.h"
#include "images/dedup.h"
#include "images/image.h"
#include "lazy/serving.h"
#include "lib/steps.h"

static int step_begin(void *job, struct err *e)
{
	struct dump *d = job;
	struct fanotify_seen seen = { 0 };

	if (fanotify_check_tree(d->opt->tree, &seen, e) < 0)
		return e->code;
	return image_set_begin(d->images, e) < 0 ? e->code : increment_begin(d, e);
}

static int step_arm(void *job, struct err *e)
{
	struct dump *d = job;

	if (freeze_tree(d, e) < 0 || rounds_arm(d, e) < 0)
		return e->code;
	freeze_let_go(d);
	if (d->tracks->count)
		return 0;
	err_code(e, ENOTSUP, "written pages cannot be told from others here, so nothing is gained");
	return err_hint(e, "'stasis check' says what is missing");
}

static void undo_arm(void *job)
{
	freeze_let_go(job);
}

static int step_save(void *job, struct err *e)
{
	struct dump *d = job;

	d->opt->dump_stats->freeze = FREEZE_PRECOPY;
	if (increment_name(d, &d->name, e) < 0)
		return e->code;
	return rounds_save(d, d->images, d->name, e);
}

/* Images that failed after all must not be taken for good ones. */
static void undo_save(void *job)
{
	struct dump *d = job;
	struct err ignored = { 0 };

	(void)!image_set_begin(d->images, &ignored);
}

static int step_dedup(void *job, struct err *e)
{
	struct dump *d = job;

	return d->opt->auto_dedup && d->opt->prev_images_dir ? dedup_run(d->images, e) : 0;
}

static int step_go_on(void *job, struct err *e)
{
	struct dump *d = job;

	(void)e;
	guard_commit(d->guard, d->opt->dump_stats);
	increment_go_on(d, d->name);
	return 0;
}

static const struct step steps[] = {
	{ .name = "begin", .run = step_begin },
	{ .name = "arm", .run = step_arm, .undo = undo_arm },
	{ .name = "save", .run = step_save, .undo = undo_save },
	{ .name = "dedup", .run = step_dedup },
	{ .name = "go on", .run = step_go_on, .final = 1 },
};

static int work(struct guard *g, void *arg, struct err *e)
{
	struct dump *d = arg;
	int r;

	d->guard = g;
	r = steps_run(steps, ARRAY_SIZE(steps), d, d->opt->inject_fault, e);
	track_drop(d);
	shmem_held_drop(d);
	freezer_close(d);
	ns_close(d);
	return r;
}

int pre_dump_run(const struct options *opt, struct err *e)
{
	struct dump d = {
		.opt = opt, .images = opt->images_fd, .track_mem = true, .only_memory = true
	};
	int r;

	if (opt->tree <= 0)
		return err_say(e, "no process was named; use -t PID");
	if (dserver_check_options(opt, e) < 0 || serving_await(opt->tree, opt->timeout, e) < 0)
		return e->code;
	r = dserver_begin(&d, e);
	if (r == 0)
		r = guard_run(opt, work, &d, e);
	dserver_close(&d);
	pool_free(&d.pool);
	return r;
}
