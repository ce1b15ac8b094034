/* Saving memory while the tree runs on; see cow.h. */
#include "dump/cow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dump/cow_follow.h"
#include "dump/freeze.h"
#include "dump/guard.h"
#include "dump/track.h"
#include "images/tracking.h"
#include "images/vma.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/ptrace.h"
#include "lib/scripts.h"
#include "lib/uffd.h"

enum { FIRST = -20 };

struct cow_task {
	struct track *track;
	struct cow_space space;
	struct ranges pages;
	struct pagemap_writer w;
	bool taken; /* the moment is; w is ours */
};

struct cow {
	struct dump *d;
	struct cow_task *tasks; /* one for each track */
	struct cow_space **spaces;
	size_t count;
	struct cow_follow *follow;
	struct cow_work *work;
	_Atomic bool armed;
	int priority; /* of ours, outside of the stop */
};

static int check(const struct options *opt, struct err *e)
{
	/* What a tree does behind its moment, in files and to others, must not be followed by its end. */
	if (!opt->leave_running) {
		err_say(e, "--freeze=cow lets the tree run on while it is saved");
		return err_hint(e, "use it with --leave-running; a tree that ends with the dump is "
				   "saved while it stands still");
	}
	/* What is written since is counted by another sort of userfaultfd, and a mapping has one. */
	if (opt->track_mem || opt->prev_images_dir) {
		err_say(e, "--freeze=cow cannot tell what was written since another dump");
		return err_hint(e, "leave --track-mem and --prev-images-dir out, or use "
				   "--freeze=precopy");
	}
	/* Where a page will lie has to be known before its contents are. */
	if (opt->compress.codec || opt->compress.once) {
		err_say(e, "--freeze=cow saves pages as they are");
		return err_hint(e, "leave %s out, or use --freeze=precopy",
				opt->compress.codec ? "--compress" : "--dedup-pages");
	}
	if (opt->action_scripts.count) {
		err_say(e, "with --freeze=cow an action script would find the tree running");
		return err_hint(e, "leave --action-script out, or use --freeze=precopy");
	}
	if (scripts_wanted(opt))
		return err_say(e, "with --freeze=cow who is notified would find the tree running");
	return 0;
}

int cow_check_options(const struct options *opt, struct err *e)
{
	return opt->freeze == FREEZE_COW ? check(opt, e) : 0;
}

bool cow_is_possible(const struct options *opt)
{
	struct err ignored = { 0 };

	return check(opt, &ignored) == 0;
}

static struct cow_task *task_of(const struct dump *d, const struct task *t)
{
	const struct track *k = d->cow ? track_of(d, t) : NULL;

	for (size_t i = 0; k && i < d->cow->count; i++)
		if (d->cow->tasks[i].track == k)
			return &d->cow->tasks[i];
	return NULL;
}

static int make(struct dump *d, struct err *e)
{
	struct cow *c = pool_new(&d->pool, struct cow);

	c->d = d;
	c->tasks = pool_array(&d->pool, struct cow_task, d->tracks->count);
	c->spaces = pool_array(&d->pool, struct cow_space *, d->tracks->count);
	d->cow = c;
	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];
		int uffd = fcntl(k->uffd, F_DUPFD_CLOEXEC, 0);

		c->tasks[i].track = k;
		c->spaces[i] = &c->tasks[i].space;
		c->count++;
		if (cow_space_open(c->spaces[i], k->pid, k->proc_fd, uffd, e) < 0)
			return e->code;
	}
	if (cow_follow_begin(&c->follow, e) < 0)
		return e->code;
	return cow_work_start(c->spaces, c->count, &c->work, e);
}

/* What userfaultfd lets anybody wait for, and whose pages nobody but their owner changes: KSM does. */
static bool may_wait(const struct vma *v)
{
	return v->inode == 0 && v->dev_major == 0 && v->dev_minor == 0 &&
	       !(v->flags & (VMA_SH | VMA_HT | VMA_MG | VMA_DP | VMA_IO | VMA_PF));
}

/* As far as can be told without smaps, for which there is no time in a stop. */
static int register_all(struct cow *c, struct err *e)
{
	for (size_t i = 0; i < c->count; i++) {
		struct maps m;

		if (maps_read_brief(c->tasks[i].track->proc_fd, &c->d->pool, &m, e) < 0)
			return e->code;
		for (size_t k = 0; k < m.count; k++)
			if (may_wait(&m.vmas[k]))
				cow_space_register(&c->tasks[i].space, m.vmas[k].start,
						   m.vmas[k].end);
	}
	return 0;
}

/* Those without a space are let go; the others run too, but traced. */
static int let_run(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];
		struct cow_task *ct = task_of(d, t);

		for (size_t k = 0; k < t->thread_count; k++) {
			int tid = t->threads[k].tid;

			if (!ct)
				tracee_detach(tid, 0);
			else if (cow_follow_add(d->cow->follow, tid, t->pid, &ct->space, e) < 0 ||
				 cow_follow_go(d->cow->follow, tid, t->state == TASK_STOPPED, e) <
					 0)
				return e->code;
		}
	}
	freeze_forget(d);
	return 0;
}

static int arm_one(struct cow *c, struct cow_task *ct, struct err *e)
{
	struct maps *m = &ct->track->maps;

	if (maps_read(ct->track->proc_fd, &c->d->pool, m, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->count; i++)
		if (may_wait(&m->vmas[i]) &&
		    cow_space_add_early(&ct->space, m->vmas[i].start, m->vmas[i].end, e) < 0)
			return e->code;
	return cow_space_protect(&ct->space, e);
}

/* A process may end, or execute another program, at any time: what fails here is left to the stop. */
static void *arm_all(void *arg)
{
	struct cow *c = arg;

	for (size_t i = 0; i < c->count; i++) {
		struct err why = { 0 };

		if (arm_one(c, &c->tasks[i], &why) < 0)
			log_debug("pid %d: %s", c->tasks[i].space.pid, why.text);
	}
	c->armed = true;
	cow_follow_wake(c->follow);
	return NULL;
}

static bool is_armed(void *arg)
{
	return ((struct cow *)arg)->armed;
}

static int arm(struct cow *c, struct err *e)
{
	pthread_t thread;
	int r;

	if (cow_thread_start(&thread, arm_all, c, e) < 0)
		return e->code;
	r = cow_follow_early(c->follow, is_armed, c, e);
	pthread_join(thread, NULL);
	return r;
}

int cow_arm(struct dump *d, struct err *e)
{
	/* A mapping belongs to one userfaultfd: what a keeper holds could not be protected. */
	if (freeze_tree(d, e) < 0 || tracking_end(d->opt->tree, e) < 0 || track_arm(d, e) < 0)
		return e->code;
	if (d->tracks->count == 0) {
		log_warn("memory cannot be protected here, so all of it is saved while the tree "
			 "stands still; 'stasis check' says what is missing");
		return 0;
	}
	d->opt->dump_stats->freeze = FREEZE_COW;
	if (make(d, e) < 0 || register_all(d->cow, e) < 0 || let_run(d, e) < 0)
		return e->code;
	freeze_note(d);
	if (arm(d->cow, e) < 0)
		return e->code;
	/* On a busy machine the stop would last until it is our turn again. */
	d->cow->priority = getpriority(PRIO_PROCESS, 0);
	setpriority(PRIO_PROCESS, 0, FIRST);
	if (freeze_tree(d, e) < 0)
		return e->code;
	cow_work_settle(d->cow->work);
	return freeze_set_options(d, e);
}

void cow_event(struct dump *d, int tid, int event)
{
	if (d->cow && !cow_follow_event(d->cow->follow, tid, event))
		cow_calm(d);
}

bool cow_stray(struct dump *d, int tid, struct stop s)
{
	if (d->cow)
		cow_follow_report(d->cow->follow, tid, s);
	return d->cow;
}

void cow_calm(struct dump *d)
{
	for (size_t i = 0; d->cow && i < d->cow->count; i++)
		cow_space_calm(&d->cow->tasks[i].space);
}

static void note_heap(struct cow_space *s, const struct vma *v)
{
	if (strcmp(v->name, "[heap]") != 0)
		return;
	if (!s->heap)
		s->heap = v->start;
	s->heap_end = v->end;
}

int cow_begin(struct task *t, struct err *e)
{
	struct cow_task *ct = task_of(t->dump, t);

	if (!ct || !uffd_lives(ct->space.uffd))
		return 0;
	cow_space_forget_areas(&ct->space);
	t->cow = ct;
	for (size_t i = 0; i < t->vma_count; i++) {
		const struct vma *v = &t->vmas[i];

		note_heap(&ct->space, v);
		if (v->status & VMA_ANON_PRIVATE && may_wait(v) &&
		    memory_pages_of(t, v) == VMA_PAGES_ANON &&
		    cow_space_add(&ct->space, v->start, v->end, e) < 0)
			return e->code;
	}
	return cow_space_pages(&ct->space, &ct->pages, e) < 0 ? e->code : 1;
}

bool cow_has(const struct task *t, const struct vma *v)
{
	uint64_t stop;

	return t->cow && ranges_hold(&t->cow->space.areas, v->start, v->end, &stop) &&
	       stop == v->end;
}

const struct ranges *cow_pages(const struct task *t)
{
	return &t->cow->pages;
}

int cow_take(const struct task *t, const struct page_run *runs, size_t count,
	     struct pagemap_writer *w, struct err *e)
{
	struct cow_task *ct = t->cow;

	ct->w = *w;
	*w = (struct pagemap_writer){ .pages_fd = -1 };
	ct->taken = true;
	ct->space.pages_fd = ct->w.pages_fd;
	/* Without memory for them they are made later, by reading the file again. */
	ct->w.sink.sums = calloc(manifest_chunks(ct->w.size) + 1, sizeof(*ct->w.sink.sums));
	ct->w.sink.some_sums = true;
	ct->space.sums = ct->w.sink.sums;
	ranges_free(&ct->pages);
	if (cow_space_take(&ct->space, runs, count, e) < 0)
		return e->code;
	log_debug("pid %d: %zu blocks of memory are saved while it runs", t->pid,
		  ct->space.unit_count);
	return 0;
}

/* Threads that have ended meanwhile are not among those that stand here. */
static int follow_all(struct dump *d, struct err *e)
{
	struct cow *c = d->cow;

	cow_follow_forget(c->follow);
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];
		struct cow_task *ct = t->cow;

		for (size_t k = 0; k < t->thread_count && ct && ct->taken; k++) {
			const struct thread *th = &t->threads[k];

			if (cow_follow_add(c->follow, th->tid, t->pid, &ct->space, e) < 0)
				return e->code;
			cow_follow_set_tid_address(c->follow, th->tid,
						   th->core->thread_info->clear_tid_addr);
		}
	}
	cow_follow_moment(c->follow, c->work);
	return 0;
}

/* From here on they have to be followed, whatever fails. */
static void let_go(struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];
		const struct cow_task *ct = t->cow;

		for (size_t k = 0; k < t->thread_count; k++) {
			int tid = t->threads[k].tid;
			struct err e = { 0 };

			if (ct && ct->taken &&
			    cow_follow_go(d->cow->follow, tid, t->state == TASK_STOPPED, &e) == 0)
				continue;
			if (e.code)
				cow_work_fail(d->cow->work, &e);
			tracee_detach(tid, 0);
		}
	}
}

static int alive(void *arg, struct err *e)
{
	return guard_check(arg, e);
}

static int finish(struct cow *c, struct err *e)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->tasks[i].taken && pagemap_writer_finish(&c->tasks[i].w, e) < 0)
			return err_on(e, "memory of pid %d", c->tasks[i].space.pid);
	return 0;
}

int cow_run_on(struct dump *d, struct err *e)
{
	struct cow *c = d->cow;
	int r;

	if (!c)
		return 0;
	if (follow_all(d, e) < 0)
		return e->code;
	let_go(d);
	freeze_note(d);
	setpriority(PRIO_PROCESS, 0, c->priority);
	if (cow_work_save(c->work, e) < 0)
		cow_work_fail(c->work, e);
	r = cow_follow_save(c->follow, alive, d->guard, e);
	if (r == 0)
		r = cow_work_finish(c->work, e);
	freeze_forget(d);
	return r < 0 ? r : finish(c, e);
}

void cow_free(struct dump *d)
{
	struct cow *c = d->cow;

	if (!c)
		return;
	d->cow = NULL;
	cow_work_free(c->work);
	cow_follow_free(c->follow);
	for (size_t i = 0; i < c->count; i++) {
		cow_space_close(&c->tasks[i].space);
		ranges_free(&c->tasks[i].pages);
		pagemap_writer_drop(&c->tasks[i].w);
	}
}
