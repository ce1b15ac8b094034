/* core-PID.img and its likes; see core.h. */
#include "dump/core.h"

#include <string.h>
#include <time.h>

#include "dump/cgroups.h"
#include "dump/ids.h"
#include "dump/network.h"
#include "images/image.h"

enum { IMAGE_VERSION = 2, PRE_DUMP_READ = 2 };
enum { LOCKED_BY_NFTABLES = 1, NOT_LOCKED = 2 }; /* network_lock_method */

static void prepare_thread(struct thread *th)
{
	struct pool *pool = &th->task->dump->pool;

	core_entry__init(th->core);
	th->core->mtype = CORE_ENTRY__MARCH__X86_64;
	th->core->thread_core = pool_new(pool, ThreadCoreEntry);
	thread_core_entry__init(th->core->thread_core);
}

static TaskCoreEntry *prepare_task_core(struct task *t)
{
	TaskCoreEntry *tc = pool_new(&t->dump->pool, TaskCoreEntry);

	task_core_entry__init(tc);
	tc->task_state = t->state;
	tc->exit_code = t->state == TASK_DEAD ? t->stat.exit_code : 0;
	tc->flags = t->stat.flags;
	tc->comm = pool_text(&t->dump->pool, t->stat.comm);
	if (t->state == TASK_STOPPED) {
		tc->has_stop_signo = 1;
		tc->stop_signo = t->stop_signal;
	}
	return tc;
}

void core_prepare(struct task *t)
{
	struct pool *pool = &t->dump->pool;

	for (size_t i = 0; i < t->thread_count; i++)
		prepare_thread(&t->threads[i]);
	if (t->state == TASK_DEAD)
		return;
	t->threads[0].core->tc = prepare_task_core(t);
	/* The leader's mask has its place in the task's part. */
	t->threads[0].core->tc->blk_sigset = t->threads[0].sigmask;
	for (size_t i = 1; i < t->thread_count; i++) {
		t->threads[i].core->thread_core->has_blk_sigset = 1;
		t->threads[i].core->thread_core->blk_sigset = t->threads[i].sigmask;
	}
	t->mm = pool_new(pool, MmEntry);
	mm_entry__init(t->mm);
	t->fs = pool_new(pool, FsEntry);
	fs_entry__init(t->fs);
}

static int save_dead(struct task *t, struct err *e)
{
	CoreEntry core;

	core_entry__init(&core);
	core.mtype = CORE_ENTRY__MARCH__X86_64;
	core.tc = prepare_task_core(t);
	return image_save(t->dump->images, IMG_CORE, t->inner, &core, e);
}

int core_save_threads(void *task, struct err *e)
{
	struct task *t = task;

	for (size_t i = 0; i < t->thread_count; i++)
		if (image_save(t->dump->images, IMG_CORE, t->threads[i].inner, t->threads[i].core,
			       e) < 0)
			return e->code;
	return 0;
}

int core_save_rest(void *task, struct err *e)
{
	struct task *t = task;

	if (t->state == TASK_DEAD)
		return save_dead(t, e);
	if (image_save(t->dump->images, IMG_IDS, t->inner, t->ids, e) < 0)
		return e->code;
	return image_save(t->dump->images, IMG_MM, t->inner, t->mm, e);
}

static int save_tree_entry(struct image *img, const struct task *t, struct err *e)
{
	own_mem uint32_t *tids = calloc(t->thread_count + 1, sizeof(*tids));
	PstreeEntry p;

	if (!tids)
		return err_sys(e, "memory for %zu threads", t->thread_count);
	pstree_entry__init(&p);
	p.pid = t->inner;
	p.ppid = t->parent ? t->parent->inner : 0;
	p.pgid = t->inner_pgrp;
	p.sid = t->inner_session;
	p.threads = tids;
	p.n_threads = t->thread_count;
	for (size_t i = 0; i < t->thread_count; i++)
		tids[i] = t->threads[i].inner;
	if (t->state == TASK_DEAD) {
		tids[0] = t->inner;
		p.n_threads = 1;
	}
	return image_write(img, &p, e);
}

int core_save_tree(struct dump *d, struct err *e)
{
	own_image img = { 0 };

	if (image_create(&img, d->images, IMG_PSTREE, 0, e) < 0)
		return e->code;
	for (size_t i = 0; i < d->task_count; i++)
		if (save_tree_entry(&img, d->tasks[i], e) < 0)
			return e->code;
	return image_close(&img, e);
}

/* By it a process is told from another that has got its pid since. */
static void set_uptime(InventoryEntry *inv)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	inv->has_dump_uptime = 1;
	inv->dump_uptime = now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}

int core_inventory(struct dump *d, InventoryEntry **ret, struct err *e)
{
	InventoryEntry *inv = pool_new(&d->pool, InventoryEntry);

	inventory_entry__init(inv);
	if (ids_own(d, &inv->root_ids, e) < 0)
		return e->code;
	inv->img_version = IMAGE_VERSION;
	inv->has_fdinfo_per_id = inv->fdinfo_per_id = 1;
	inv->has_ns_per_id = inv->ns_per_id = 1;
	inv->has_root_cg_set = 1;
	inv->root_cg_set = OWN_CGROUPS;
	inv->has_lsmtype = 1;
	inv->lsmtype = LSMTYPE__NO_LSM;
	inv->has_network_lock_method = 1;
	inv->network_lock_method = network_is_blocked(d) ? LOCKED_BY_NFTABLES : NOT_LOCKED;
	inv->has_tcp_close = inv->tcp_close = d->opt->tcp_close;
	inv->dump_criu_run_id = d->name;
	set_uptime(inv);
	inv->plugins_entry = pool_new(&d->pool, PluginsEntry);
	plugins_entry__init(inv->plugins_entry);
	*ret = inv;
	return 0;
}

/* A folder that holds memory only: no version, so nobody takes it for one that can be restored. */
const InventoryEntry *core_inventory_round(struct dump *d, const char *images)
{
	InventoryEntry *inv = pool_new(&d->pool, InventoryEntry);

	inventory_entry__init(inv);
	set_uptime(inv);
	inv->has_pre_dump_mode = 1;
	inv->pre_dump_mode = PRE_DUMP_READ;
	inv->dump_criu_run_id = images ? pool_text(&d->pool, images) : NULL;
	inv->plugins_entry = pool_new(&d->pool, PluginsEntry);
	plugins_entry__init(inv->plugins_entry);
	return inv;
}
