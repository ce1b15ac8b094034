/*
 * A restore, as a list of steps. Whatever fails, what was made so far is ended and removed.
 */
#include "restore/restore.h"

#include <errno.h>

#include "images/cpuinfo.h"
#include "images/stats.h"
#include "lib/handover.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/pidfile.h"
#include "lib/scripts.h"
#include "lib/stats.h"
#include "lib/steps.h"
#include "restore/births.h"
#include "restore/cgroups.h"
#include "restore/files.h"
#include "restore/foreground.h"
#include "restore/intact.h"
#include "restore/lazy.h"
#include "restore/load.h"
#include "restore/memory.h"
#include "restore/mounts.h"
#include "restore/network.h"
#include "restore/ns.h"
#include "restore/run.h"
#include "restore/spawn.h"
#include "restore/stages.h"
#include "restore/stream.h"
#include "restore/track.h"
#include "restore/user_ns.h"

static int root_pid(const struct restore *r)
{
	return r->task_count ? rtask_here(r->tasks[0]) : 0;
}

static int scripts(struct restore *r, const char *event, struct err *e)
{
	return scripts_run(r->opt, event, root_pid(r), e);
}

/* No task is there yet. */
static int step_pre_scripts(void *job, struct err *e)
{
	struct restore *r = job;

	return scripts_run(r->opt, "pre-restore", 0, e);
}

static int load(struct restore *r, struct err *e)
{
	if (r->opt->cpu_cap_image && cpuinfo_image_check(r->images, r->opt->cpu_cap, e) < 0)
		return err_hint(e, "--cpu-cap=none takes any processor");
	if (load_tree(r, e) < 0 || memory_load(r, e) < 0 || births_decide(r, e) < 0 ||
	    rlazy_decide(r, e) < 0)
		return e->code;
	rtrack_ask(r);
	return 0;
}

/* That a file is damaged says more than what it then seems to say. */
static int step_load(void *job, struct err *e)
{
	struct restore *r = job;
	struct err damage = { 0 };
	int res = rstream_begin(r, e);

	if (res < 0)
		return res;
	res = intact_begin(r, e);
	if (res == 0)
		res = load(r, e);
	if (intact_images(r, &damage) < 0) {
		*e = damage;
		res = damage.code;
	}
	return res;
}

static int step_arena(void *job, struct err *e)
{
	struct restore *r = job;

	if (runs_open(r, e) < 0)
		return e->code;
	return spawn_arena(r, e);
}

static int make_mounts(void *job, struct err *e)
{
	return rmounts_make(job, e);
}

/* A sysfs shows the network namespace of whoever mounts it. */
static int step_namespaces(void *job, struct err *e)
{
	return rns_make(job, e) < 0 ? e->code : rns_visit(job, NS_NET, make_mounts, job, e);
}

static void undo_tree(void *job)
{
	run_kill_all(job);
}

/* What is found by its path is found in the mounts, and some of them need somebody in the pid namespace. */
static int step_first(void *job, struct err *e)
{
	struct restore *r = job;

	return rns_is_own(r, NS_MNT) ? births_first(r, e) : 0;
}

static int finish_mounts(void *job, struct err *e)
{
	return rmounts_finish(job, e);
}

static int step_mounts(void *job, struct err *e)
{
	return rns_visit(job, NS_NET, finish_mounts, job, e);
}

static int make(void *job, struct err *e)
{
	struct restore *r = job;

	if (rfiles_make(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->prepare && vma_restore_kinds[i]->prepare(r, e) < 0)
			return err_on(e, "%s", vma_restore_kinds[i]->name);
	for (size_t i = 0; i < restore_kind_count; i++)
		if (restore_kinds[i]->make && restore_kinds[i]->make(r, e) < 0)
			return err_on(e, "%s", restore_kinds[i]->name);
	return 0;
}

static int step_make(void *job, struct err *e)
{
	return rns_visit(job, NS_NET, make, job, e);
}

static void undo_make(void *job)
{
	rfiles_close(job);
}

static int step_cgroups(void *job, struct err *e)
{
	return rcgroups_make(job, e) < 0 ? e->code : rcgroups_make_namespace(job, e);
}

static void undo_cgroups(void *job)
{
	rcgroups_remove(job);
}

static int step_tree(void *job, struct err *e)
{
	struct restore *r = job;
	uint64_t start = io_now_us();
	int res = births_make(r, e);

	r->opt->restore_stats->forking_time = io_now_us() - start;
	r->opt->restore_stats->root_pid = root_pid(r);
	return res;
}

static int step_memory(void *job, struct err *e)
{
	struct restore *r = job;

	if (memory_restore_all(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->done && vma_restore_kinds[i]->done(r, e) < 0)
			return err_on(e, "%s", vma_restore_kinds[i]->name);
	return 0;
}

static int step_lazy(void *job, struct err *e)
{
	return rlazy_begin(job, e);
}

/* The sooner the better: whatever is written from here on is marked, by whomsoever. */
static int step_protect(void *job, struct err *e)
{
	return rtrack_begin(job, e);
}

static int step_files(void *job, struct err *e)
{
	return stage_files(job, e);
}

static int step_threads(void *job, struct err *e)
{
	if (stage_threads(job, e) < 0 || rcgroups_attach_threads(job, e) < 0)
		return e->code;
	return stage_files_last(job, e);
}

static int step_state(void *job, struct err *e)
{
	return stage_run(job, STAGE_STATE, e);
}

static int join(void *job, struct err *e)
{
	return stage_join(job, e);
}

static int step_join(void *job, struct err *e)
{
	return rns_visit(job, NS_NET, join, job, e);
}

static int step_outside(void *job, struct err *e)
{
	return stage_outside(job, e);
}

static int step_deaths(void *job, struct err *e)
{
	return births_deaths(job, e);
}

static int step_late(void *job, struct err *e)
{
	if (rns_done(job, e) < 0)
		return e->code;
	return stage_run(job, STAGE_LATE, e);
}

static int step_checksums(void *job, struct err *e)
{
	return intact_wait(job, e);
}

static int step_post_scripts(void *job, struct err *e)
{
	struct restore *r = job;

	if (scripts(r, "post-restore", e) < 0)
		return e->code;
	if (pidfile_write(r->opt, root_pid(r), e) < 0)
		return e->code;
	r->wrote_pidfile = true;
	return 0;
}

static void undo_post_scripts(void *job)
{
	struct restore *r = job;

	if (r->wrote_pidfile) /* one that was there before is not ours */
		pidfile_remove(r->opt);
}

static int step_last(void *job, struct err *e)
{
	return stage_run(job, STAGE_LAST, e);
}

static int step_finish(void *job, struct err *e)
{
	struct restore *r = job;

	if (finish_threads(r, e) < 0)
		return e->code;
	return foreground_give(r, e);
}

static void undo_finish(void *job)
{
	foreground_take(job);
}

static int settle(void *job, struct err *e)
{
	return rfiles_settle(job, e);
}

static int step_settle(void *job, struct err *e)
{
	return rns_visit(job, NS_NET, settle, job, e);
}

static int step_track(void *job, struct err *e)
{
	(void)e;
	rtrack_keep(job);
	return 0;
}

static void undo_track(void *job)
{
	rtrack_unkeep(job);
}

/* As late as can be: they limit what may be done. */
static int step_limits(void *job, struct err *e)
{
	return rcgroups_set(job, CGROUP_LATE, e);
}

static int prepare_network(void *job, struct err *e)
{
	return network_prepare(job, e);
}

static int step_network(void *job, struct err *e)
{
	return rns_visit(job, NS_NET, prepare_network, job, e);
}

static void undo_network(void *job)
{
	network_undo(job);
}

static int step_commit(void *job, struct err *e)
{
	if (rlazy_commit(job, e) < 0)
		return e->code;
	ruser_lend_end(job);
	return finish_commit(job, e);
}

/* Whoever gives it to us is told that all stands ready, and has not given it up yet. */
static int step_ready(void *job, struct err *e)
{
	struct restore *r = job;
	const struct handover *h = r->opt->handover;

	return h ? h->ready(h->arg, root_pid(r), e) : 0;
}

static int step_own(void *job, struct err *e)
{
	struct restore *r = job;
	const struct handover *h = r->opt->handover;

	return h ? h->own(h->arg, e) : 0;
}

static int let_go(void *job, struct err *e)
{
	(void)e;
	rfiles_done(job);
	return 0;
}

/* What the dump has left in the file system is gone after this, and there is no second try: so it comes behind 'commit'. */
static int step_go(void *job, struct err *e)
{
	struct restore *r = job;
	struct err later = { 0 };

	(void)e;
	if (rns_visit(r, NS_NET, let_go, r, &later) < 0)
		log_error("%s", later.text);
	later = (struct err){ 0 };
	if (r->ns->fd[NS_NET] >= 0 && scripts(r, "network-unlock", &later) < 0)
		log_warn("%s", later.text);
	later = (struct err){ 0 };
	if (scripts(r, "pre-resume", &later) < 0)
		log_error("%s", later.text);
	return 0;
}

static const struct step steps[] = {
	{ .name = "load", .run = step_load },
	/* Images that are no good are nobody's business. */
	{ .name = "pre-restore scripts", .run = step_pre_scripts },
	{ .name = "arena", .run = step_arena },
	{ .name = "namespaces", .run = step_namespaces },
	{ .name = "cgroups", .run = step_cgroups, .undo = undo_cgroups },
	{ .name = "first", .run = step_first, .undo = undo_tree },
	{ .name = "mounts", .run = step_mounts },
	{ .name = "make", .run = step_make, .undo = undo_make, .always = 1 },
	{ .name = "tree", .run = step_tree, .undo = undo_tree },
	{ .name = "memory", .run = step_memory },
	{ .name = "lazy", .run = step_lazy },
	{ .name = "protect", .run = step_protect },
	{ .name = "files", .run = step_files },
	{ .name = "threads", .run = step_threads },
	{ .name = "state", .run = step_state },
	{ .name = "join", .run = step_join },
	{ .name = "outside", .run = step_outside },
	{ .name = "deaths", .run = step_deaths },
	{ .name = "late", .run = step_late },
	{ .name = "checksums", .run = step_checksums },
	{ .name = "post-restore scripts", .run = step_post_scripts, .undo = undo_post_scripts },
	{ .name = "last", .run = step_last },
	{ .name = "finish", .run = step_finish, .undo = undo_finish },
	{ .name = "settle", .run = step_settle },
	{ .name = "track", .run = step_track, .undo = undo_track },
	{ .name = "limits", .run = step_limits },
	{ .name = "network", .run = step_network, .undo = undo_network },
	{ .name = "ready", .run = step_ready },
	{ .name = "commit", .run = step_commit },
	{ .name = "own", .run = step_own },
	{ .name = "go", .run = step_go, .final = 1 },
};

/* --dry-run: the same functions build the same plans, which are printed instead of run. */
static const struct step dry_steps[] = {
	{ .name = "load", .run = step_load },
	{ .name = "arena", .run = step_arena },
	{ .name = "make", .run = step_make, .undo = undo_make, .always = 1 },
	{ .name = "tree", .run = step_tree },
	{ .name = "memory", .run = step_memory },
	{ .name = "lazy", .run = step_lazy },
	{ .name = "protect", .run = step_protect },
	{ .name = "files", .run = step_files },
	{ .name = "threads", .run = step_threads },
	{ .name = "state", .run = step_state },
	{ .name = "join", .run = step_join },
	{ .name = "deaths", .run = step_deaths },
	{ .name = "late", .run = step_late },
	{ .name = "last", .run = step_last },
};

static int run(struct restore *r, struct err *e)
{
	struct err later = { 0 };

	r->started_at = io_now_us();
	if (r->opt->dry_run)
		return steps_run(dry_steps, ARRAY_SIZE(dry_steps), r, NULL, e);
	if (steps_run(steps, ARRAY_SIZE(steps), r, r->opt->inject_fault, e) < 0)
		return e->code;
	rcgroups_freeze(r, true);
	finish_go(r);
	rcgroups_freeze(r, false);
	r->opt->restore_stats->restore_time = io_now_us() - r->started_at;
	if (!r->opt->stream &&
	    stats_restore_write(r->opt->work_fd, r->opt->restore_stats, &later) < 0)
		log_warn("%s", later.text);
	if (scripts(r, "post-resume", &later) < 0)
		log_error("%s", later.text);
	return 0;
}

int restore_run(const struct options *opt, struct err *e)
{
	struct restore r = {
		.opt = opt, .images = opt->images_fd, .arena_fd = -1, .lazy_sock = -1
	};
	int res = rlazy_check_options(opt, e) < 0 ? e->code : run(&r, e);

	spawn_close(&r);
	runs_close(&r);
	rfiles_close(&r);
	rtrack_close(&r);
	rcgroups_close(&r);
	rlazy_close(&r);
	memory_close(&r, res < 0);
	for (size_t i = 0; i < restore_kind_count; i++)
		if (restore_kinds[i]->close)
			restore_kinds[i]->close(&r, res < 0);
	rns_close(&r);
	rstream_close(&r);
	intact_close(&r);
	packed_files_close(&r.packed_files);
	load_close(&r);
	pool_free(&r.pool);
	return res;
}
