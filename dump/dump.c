/*
 * A dump, as a list of steps. Everything up to the last step can be taken back: whatever fails, the tree
 * runs on as it was. The work is done by a process of its own (dump/guard.h).
 */
#include "dump/dump.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "dump/ask.h"
#include "dump/cgroups.h"
#include "dump/core.h"
#include "dump/cow.h"
#include "dump/fanotify.h"
#include "dump/files.h"
#include "dump/freeze.h"
#include "dump/freezer.h"
#include "dump/give.h"
#include "dump/guard.h"
#include "dump/ids.h"
#include "dump/increment.h"
#include "dump/memory.h"
#include "dump/lazy.h"
#include "dump/mm/shmem_held.h"
#include "dump/network.h"
#include "dump/ns.h"
#include "dump/page_server.h"
#include "dump/precopy.h"
#include "dump/track.h"
#include "dump/robust_list.h"
#include "dump/sessions.h"
#include "dump/stream.h"
#include "images/cpuinfo.h"
#include "images/dedup.h"
#include "images/image.h"
#include "lazy/serving.h"
#include "lib/background.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/ptrace.h"
#include "lib/scripts.h"
#include "lib/stats.h"
#include "lib/steps.h"

enum {
	WORTH_BACKGROUND = 16
}; /* tasks, or threads: a thread of our own costs about as much as one */

/* Runs one function for every living task. */
static int for_living(struct dump *d, int (*run)(struct task *t, struct err *e), struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++) {
		if (guard_check(d->guard, e) < 0)
			return e->code;
		if (d->tasks[i]->state != TASK_DEAD && run(d->tasks[i], e) < 0)
			return e->code;
	}
	return 0;
}

static int step_scripts(void *job, struct err *e)
{
	struct dump *d = job;

	return scripts_run(d->opt, "pre-dump", d->opt->tree, e);
}

static int step_begin(void *job, struct err *e)
{
	struct dump *d = job;
	struct fanotify_seen seen = { 0 };

	if (fanotify_check_tree(d->opt->tree, &seen, e) < 0)
		return e->code;
	files_told_prepare(d, seen.descriptors, seen.rings);
	return image_set_begin(d->images, e);
}

static int step_precopy(void *job, struct err *e)
{
	return precopy_run(job, e);
}

static void undo_precopy(void *job)
{
	freeze_let_go(job);
	precopy_undo(job);
}

/* Memory is protected before the stop, if it is to be saved behind it. */
static int step_arm(void *job, struct err *e)
{
	struct dump *d = job;

	return d->runs_on ? cow_arm(d, e) : 0;
}

static void undo_arm(void *job)
{
	cow_calm(job);
	freeze_let_go(job);
	cow_free(job);
}

static int step_stop(void *job, struct err *e)
{
	struct dump *d = job;

	return d->task_count ? 0 : freeze_tree(d, e);
}

static void undo_stop(void *job)
{
	cow_calm(job);
	freeze_let_go(job);
}

/* A client may name what is not of the tree only now that nothing moves. */
static int step_query(void *job, struct err *e)
{
	struct dump *d = job;

	return scripts_tell(d->opt, &(struct event){ "query-ext-files", d->opt->tree, -1 }, e);
}

static int step_sessions(void *job, struct err *e)
{
	struct dump *d = job;

	if (for_living(d, sessions_check, e) < 0)
		return e->code;
	return ids_read(d, e);
}

static int read_outside(struct task *t, struct err *e)
{
	core_prepare(t);
	return ask_outside(t, e);
}

static int step_outside(void *job, struct err *e)
{
	return for_living(job, read_outside, e);
}

static int step_mappings(void *job, struct err *e)
{
	return for_living(job, memory_read, e);
}

static int read_files(void *job, struct err *e)
{
	return for_living(job, files_read_task, e);
}

static int step_files(void *job, struct err *e)
{
	return ns_visit(job, NS_NET, read_files, job, e);
}

static void undo_files(void *job)
{
	struct dump *d = job;

	files_undo(d);
	guard_remove_links(d->guard);
	network_release(d);
}

/* The images of threads are written while others are asked, if there are enough to pay for it. */
static int step_inside(void *job, struct err *e)
{
	struct dump *d = job;

	if (d->task_count >= WORTH_BACKGROUND || d->tasks[0]->thread_count >= WORTH_BACKGROUND)
		d->background = background_start();
	return ask_tree(d, e);
}

static struct background *take_background(struct dump *d)
{
	struct background *b = d->background;

	d->background = NULL;
	return b;
}

static int step_pages(void *job, struct err *e)
{
	struct dump *d = job;

	return memory_folder(d, d->images, e) < 0 ? e->code : memory_save_all(d, e);
}

/* Killed meanwhile, it has lost its memory, which then looked like memory without pages. */
static int check_stands(struct task *t, struct err *e)
{
	uint64_t mask;

	if (tracee_get_mask(t->threads[0].tid, &mask, e) == 0)
		return 0;
	return err_code(e, ESRCH, "pid %d was killed while it was being saved", t->pid);
}

static int step_shared(void *job, struct err *e)
{
	shmem_held_begin_pass(job);
	for (size_t i = 0; i < vma_kind_count; i++)
		if (vma_kinds[i]->finish && vma_kinds[i]->finish(job, e) < 0)
			return err_on(e, "%s", vma_kinds[i]->name);
	if (ns_save(job, e) < 0)
		return e->code;
	shmem_held_forget_others(job);
	if (for_living(job, check_stands, e) < 0)
		return e->code;
	return for_living(job, memory_entries, e);
}

static int step_images(void *job, struct err *e)
{
	struct dump *d = job;

	if (d->opt->cpu_cap_image && cpuinfo_image_write(d->images, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->task_count; i++)
		if (background_add(d->background, core_save_rest, d->tasks[i], e) < 0)
			return e->code;
	if (files_save(d, e) < 0 || ask_finish(d, e) < 0 || core_save_tree(d, e) < 0 ||
	    ns_save_last(d, e) < 0)
		return e->code;
	return background_finish(take_background(d), e);
}

static void undo_inside(void *job)
{
	struct err ignored = { 0 };

	(void)!background_finish(take_background(job), &ignored);
}

static int step_stream(void *job, struct err *e)
{
	return dstream_send(job, e);
}

static int step_server(void *job, struct err *e)
{
	return dserver_finish(job, e);
}

static int step_run_on(void *job, struct err *e)
{
	return cow_run_on(job, e);
}

/* Nobody wants to look at the frozen tree any more: what is left to do goes on while it runs. */
static int step_early(void *job, struct err *e)
{
	struct dump *d = job;

	(void)e;
	if (!d->opt->leave_running || scripts_wanted(d->opt))
		return 0;
	freeze_let_go(d);
	return 0;
}

static int note_endings(struct dump *d, struct err *e)
{
	int signal = d->opt->leave_stopped ? SIGSTOP : SIGKILL;

	for (size_t i = 0; i < d->task_count && !d->opt->leave_running; i++) {
		const struct task *t = d->tasks[i];

		if (t->state == TASK_DEAD || (t->state == TASK_STOPPED && signal == SIGSTOP))
			continue;
		if (guard_note_ending(d->guard, t->pid, t->stat.start_time, signal, e) < 0)
			return e->code;
	}
	return 0;
}

static int step_complete(void *job, struct err *e)
{
	struct dump *d = job;
	InventoryEntry *inv;

	if (note_endings(d, e) < 0 || guard_check(d->guard, e) < 0)
		return e->code;
	if (d->stream)
		return 0; /* the end mark comes as late as it can */
	if (increment_name(d, &d->name, e) < 0 || core_inventory(d, &inv, e) < 0)
		return e->code;
	d->manifest.sent = d->outlet;
	return image_set_finish(d->images, inv, &d->manifest, e);
}

/* A dump that failed after all leaves no folder that could be taken for a good one. */
static void undo_complete(void *job)
{
	struct dump *d = job;
	struct err e = { 0 };

	if (image_set_begin(d->images, &e) < 0)
		log_error("%s", e.text);
}

static int step_post(void *job, struct err *e)
{
	struct dump *d = job;

	/* That took as long as it took: whoever waits for us may be gone. */
	return scripts_run(d->opt, "post-dump", d->opt->tree, e) < 0 ? e->code :
								       guard_check(d->guard, e);
}

static int step_hand_over(void *job, struct err *e)
{
	return give_tree(job, e);
}

static void undo_hand_over(void *job)
{
	give_undo(job);
}

static int step_give(void *job, struct err *e)
{
	return dlazy_give(job, e);
}

static int step_go(void *job, struct err *e)
{
	struct dump *d = job;

	(void)e;
	if (d->in_doubt) {
		freeze_leave_stopped(d);
		return 0;
	}
	if (d->opt->leave_running || d->opt->leave_stopped) {
		undo_files(d);
		network_tell_unlocked(d);
	}
	guard_commit(d->guard, d->opt->dump_stats);
	if (d->task_count == 0)
		return 0; /* let go early */
	if (d->opt->leave_running)
		freeze_let_go(d);
	else if (d->opt->leave_stopped)
		freeze_leave_stopped(d);
	freeze_note(d);
	if (d->task_count) {
		robust_lists_forget(d);
		guard_silence(d->guard);
		freeze_kill(d);
		ns_quiet_net(d);
	}
	/* It is for a restore here, which there will be none of. */
	if (d->opt->handover)
		guard_remove_locks(d->guard);
	network_release(d);
	return 0;
}

/* What is counted from this dump on is for a process that goes on. */
static int step_track(void *job, struct err *e)
{
	struct dump *d = job;

	(void)e;
	if (d->track_mem && d->opt->leave_running && d->tracks)
		increment_go_on(d, d->name);
	return 0;
}

static int step_network(void *job, struct err *e)
{
	return network_leave(job, e);
}

static void undo_network(void *job)
{
	struct dump *d = job;

	guard_remove_locks(d->guard);
}

static int step_dedup(void *job, struct err *e)
{
	struct dump *d = job;

	return d->opt->auto_dedup && d->opt->prev_images_dir ? dedup_run(d->images, e) : 0;
}

/* Between the end mark and 'go' nothing may fail: who has got it can start the tree. */
static int step_end_mark(void *job, struct err *e)
{
	return dstream_end(job, e);
}

static const struct step steps[] = {
	{ .name = "pre-dump scripts", .run = step_scripts },
	{ .name = "begin", .run = step_begin },
	{ .name = "pre-copy", .run = step_precopy, .undo = undo_precopy },
	{ .name = "protect", .run = step_arm, .undo = undo_arm },
	{ .name = "stop", .run = step_stop, .undo = undo_stop },
	{ .name = "network lock", .run = network_tell_locked, .undo = network_tell_unlocked },
	{ .name = "query", .run = step_query },
	{ .name = "sessions", .run = step_sessions },
	{ .name = "outside", .run = step_outside },
	{ .name = "mappings", .run = step_mappings },
	{ .name = "files", .run = step_files, .undo = undo_files },
	{ .name = "inside", .run = step_inside, .undo = undo_inside },
	{ .name = "pages", .run = step_pages },
	{ .name = "shared", .run = step_shared },
	{ .name = "images", .run = step_images },
	{ .name = "stream", .run = step_stream },
	{ .name = "page server", .run = step_server },
	{ .name = "run on", .run = step_run_on },
	{ .name = "early", .run = step_early },
	{ .name = "complete", .run = step_complete, .undo = undo_complete },
	{ .name = "post-dump scripts", .run = step_post },
	/* What is taken out of older folders is lost if these images do not stay. */
	{ .name = "dedup", .run = step_dedup },
	{ .name = "track", .run = step_track },
	{ .name = "network", .run = step_network, .undo = undo_network },
	{ .name = "end mark", .run = step_end_mark },
	{ .name = "hand over", .run = step_hand_over, .undo = undo_hand_over },
	{ .name = "lazy pages", .run = step_give },
	{ .name = "go", .run = step_go, .final = 1 },
};

static int work(struct guard *g, void *arg, struct err *e)
{
	struct dump *d = arg;

	int r;

	d->guard = g;
	io_allow_descriptors();
	r = steps_run(steps, ARRAY_SIZE(steps), d, d->opt->inject_fault, e);
	if (r == 0 && d->in_doubt)
		r = d->lazy ? (give_doubt(e), dlazy_doubt(d, e)) : give_doubt(e);
	cow_free(d);
	track_drop(d);
	shmem_held_drop(d);
	freezer_close(d);
	cgroups_free(d);
	seen_end(&d->seen);
	ns_close(d);
	return r;
}

int dump_run(const struct options *opt, struct err *e)
{
	struct dump d = { .opt = opt, .images = opt->images_fd, .track_mem = opt->track_mem };
	int r;

	if (opt->tree <= 0)
		return err_say(e, "no process was named; use -t PID");
	if (cow_check_options(opt, e) < 0 || dstream_check_options(opt, e) < 0 ||
	    dserver_check_options(opt, e) < 0 || dlazy_check_options(opt, e) < 0 ||
	    serving_await(opt->tree, opt->timeout, e) < 0)
		return e->code;
	if (dstream_begin(&d, e) < 0)
		return e->code;
	r = dserver_begin(&d, e);
	if (r == 0)
		r = dlazy_begin(&d, e);
	if (r == 0)
		r = guard_run(opt, work, &d, e);
	dlazy_close(&d);
	dserver_close(&d);
	dstream_close(&d);
	manifest_free(&d.manifest);
	pool_free(&d.pool);
	return r;
}
