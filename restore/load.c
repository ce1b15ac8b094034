/*
 * Reading the images of the tree: inventory, pstree, and for each task core, ids, mm, fs. Whatever does not
 * fit together is refused here, in one sentence, while nothing has been made yet.
 */
#include "restore/load.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "images/pstree.pb-c.h"
#include "images/task/seccomp.pb-c.h"
#include "lib/background.h"
#include "lib/io.h"
#include "restore/extra.h"
#include "restore/files.h"
#include "restore/memory.h"
#include "restore/ns.h"

enum {
	IMAGE_VERSION_1 = 1,
	IMAGE_VERSION_2 = 2,
	PID_MAX = 1 << 22,
	SIGNALS = 64,
	MANY_THREADS = 64
};

struct rtask *load_find(const struct restore *r, int pid)
{
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->pid == pid)
			return r->tasks[i];
	return NULL;
}

struct rtask *load_add_task(struct restore *r, struct err *e)
{
	struct rtask *t;

	if (io_grow(&r->tasks, r->task_count, sizeof(*r->tasks), e) < 0)
		return NULL;
	t = pool_new(&r->pool, struct rtask);
	t->restore = r;
	t->helper_fd = -1;
	r->tasks[r->task_count++] = t;
	return t;
}

static int check_inventory(struct restore *r, struct err *e)
{
	const InventoryEntry *inv = r->inventory;

	if (inv->img_version == 0)
		return err_say(e, "the images are a pre-dump, which holds memory only; name the "
				  "folder of the final dump");
	if (inv->img_version > IMAGE_VERSION_2)
		return err_say(e,
			       "the images are of version %u, newer than this program knows (%d)",
			       inv->img_version, IMAGE_VERSION_2);
	if (!inv->has_fdinfo_per_id || !inv->fdinfo_per_id || !inv->root_ids)
		return err_say(e, "the images are of an old layout that is not supported");
	if (inv->plugins_entry && inv->plugins_entry->n_plugins)
		return err_say(e, "the images need the plugin '%s'; plugins are not supported",
			       inv->plugins_entry->plugins[0]);
	return 0;
}

static int check_core(const CoreEntry *core, int pid, bool leader, struct err *e)
{
	if (core->mtype != CORE_ENTRY__MARCH__X86_64) {
		const ProtobufCEnumValue *v =
			protobuf_c_enum_descriptor_get_value(&core_entry__march__descriptor,
							     core->mtype);

		return err_say(e, "'core-%d.img' has registers of %s; this machine is X86_64", pid,
			       v ? v->name : "an unknown processor");
	}
	if (leader && !core->tc)
		return err_say(e, "'core-%d.img' lacks the state of the process", pid);
	if (!leader && core->tc)
		return err_say(e, "'core-%d.img' is of a process where a thread belongs", pid);
	if (leader && core->tc->task_state == 2)
		return 0;
	if (!core->thread_core || !core->thread_info)
		return err_say(e, "'core-%d.img' lacks the state of the thread", pid);
	return 0;
}

static int load_thread(struct rtask *t, size_t i, struct err *e)
{
	struct rthread *th = &t->threads[i];

	th->task = t;
	if (image_load(t->restore->images, IMG_CORE, th->tid, &th->core, e) < 0)
		return e->code;
	return check_core(th->core, th->tid, i == 0, e);
}

static int load_living(struct rtask *t, struct err *e)
{
	int dir = t->restore->images;

	if (image_load(dir, IMG_MM, t->pid, &t->mm, e) < 0 ||
	    image_load(dir, IMG_FS, t->pid, &t->fs, e) < 0)
		return e->code;
	if (t->core->ids) {
		t->ids = t->core->ids; /* where old versions kept them */
		return 0;
	}
	return image_load(dir, IMG_IDS, t->pid, &t->ids, e);
}

static bool is_pid(uint32_t pid)
{
	return pid > 0 && pid <= PID_MAX;
}

static int check_pstree(const struct restore *r, const PstreeEntry *p, struct err *e)
{
	const struct rtask *parent = p->ppid ? load_find(r, p->ppid) : NULL;

	if (!is_pid(p->pid) || p->n_threads > PID_MAX)
		return err_say(e, "'pstree.img' has an impossible pid %u", p->pid);
	if (load_find(r, p->pid))
		return err_say(e, "'pstree.img' has pid %u twice", p->pid);
	/* 0: of a leader outside of the pid namespace. */
	if ((p->sid && !is_pid(p->sid)) || (p->pgid && !is_pid(p->pgid)))
		return err_say(e,
			       "'pstree.img' has pid %u in the impossible session %u or group %u",
			       p->pid, p->sid, p->pgid);
	if (!parent != (r->task_count == 0))
		return err_say(
			e, "'pstree.img' has pid %u below pid %u, which does not come before it",
			p->pid, p->ppid);
	if (parent && parent->state == 2)
		return err_say(e, "'pstree.img' has pid %u below pid %u, which is dead", p->pid,
			       p->ppid);
	return 0;
}

enum effect { SIGNAL_ENDS, SIGNAL_STOPS, SIGNAL_DOES_NOTHING, NO_SIGNAL };

/* On a process without a handler for it. */
static enum effect effect_of(uint32_t sig)
{
	switch (sig) {
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return SIGNAL_STOPS;
	case SIGCHLD:
	case SIGCONT:
	case SIGURG:
	case SIGWINCH:
		return SIGNAL_DOES_NOTHING;
	default:
		return sig < 1 || sig > SIGNALS ? NO_SIGNAL : SIGNAL_ENDS;
	}
}

/* How it ended, so that another process can end the same way. */
static int check_dead(const struct rtask *t, struct err *e)
{
	uint32_t status = t->core->tc->exit_code, sig = status & 0x7f;

	/* The bit above the signal: there was a core. */
	if (sig ? status <= 0xff && effect_of(sig) == SIGNAL_ENDS : !(status & ~0xff00U))
		return 0;
	return err_say(e, "'core-%d.img' has an impossible end of a process (%#x)", t->pid, status);
}

static int check_state(const struct rtask *t, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;

	if (t->state == 2)
		return check_dead(t, e);
	if (t->state != 1 && t->state != 3)
		return err_say(e, "'core-%d.img' has an unknown task state %d", t->pid, t->state);
	if (t->state == 3 && tc->has_stop_signo && effect_of(tc->stop_signo) != SIGNAL_STOPS)
		return err_say(
			e, "'core-%d.img' is of a process stopped by signal %u, which stops none",
			t->pid, tc->stop_signo);
	return 0;
}

/* Some of the threads of a task, from number first up to last. */
struct span {
	struct rtask *t;
	size_t first, last;
};

static int load_span(void *arg, struct err *e)
{
	const struct span *s = arg;

	for (size_t i = s->first; i < s->last; i++)
		if (load_thread(s->t, i, e) < 0)
			return e->code;
	return 0;
}

/* Two of us read when there are many, for most of the time goes in making sense of the messages. */
static int load_cores(struct rtask *t, struct err *e)
{
	size_t count = t->thread_count, half = count / 2 + 1;
	struct span mine = { t, 1, half }, other = { t, half, count };
	struct background *b = count > MANY_THREADS ? background_start() : NULL;
	struct err later = { 0 };
	int r = background_add(b, load_span, &other, e);

	if (r == 0)
		r = load_span(&mine, e);
	if (background_finish(b, &later) < 0 && r == 0) {
		*e = later;
		r = e->code;
	}
	return r;
}

static int load_threads(struct rtask *t, const PstreeEntry *p, struct err *e)
{
	if (p->n_threads && p->threads[0] != p->pid)
		return err_say(e, "'pstree.img' has pid %u with the first thread %u", p->pid,
			       p->threads[0]);
	for (size_t i = 1; i < t->thread_count; i++) {
		if (!is_pid(p->threads[i]))
			return err_say(e, "'pstree.img' has an impossible thread %u of pid %u",
				       p->threads[i], p->pid);
		t->threads[i].tid = p->threads[i];
	}
	return t->thread_count > 1 ? load_cores(t, e) : 0;
}

static int load_task(struct restore *r, const PstreeEntry *p, struct err *e)
{
	struct rtask *t;

	if (check_pstree(r, p, e) < 0)
		return e->code;
	t = load_add_task(r, e);
	if (!t)
		return e->code;
	t->pid = p->pid;
	t->pgid = p->pgid;
	t->sid = p->sid;
	t->parent = p->ppid ? load_find(r, p->ppid) : NULL;
	t->thread_count = p->n_threads ? p->n_threads : 1;
	t->threads = pool_array(&r->pool, struct rthread, t->thread_count);
	t->threads[0].tid = t->pid;
	if (load_thread(t, 0, e) < 0)
		return e->code;
	t->core = t->threads[0].core;
	t->state = t->core->tc->task_state;
	if (check_state(t, e) < 0)
		return e->code;
	if (t->state == 2) {
		t->thread_count = 1; /* the list of a zombie may hold anything */
		return 0;
	}
	return load_threads(t, p, e) < 0 ? e->code : load_living(t, e);
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* No number may be had twice, by whatever thread of whatever process. */
static int check_tids(const struct restore *r, struct err *e)
{
	own_mem int *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			if (io_grow(&all, count, sizeof(*all), e) < 0)
				return e->code;
			all[count++] = r->tasks[i]->threads[k].tid;
		}
	if (count)
		qsort(all, count, sizeof(*all), by_number);
	for (size_t i = 1; i < count; i++)
		if (all[i - 1] == all[i])
			return err_say(e, "'pstree.img' has thread %d twice", all[i]);
	return 0;
}

static int load_pstree(struct restore *r, struct err *e)
{
	own_image img = { 0 };
	int got;

	if (image_open(&img, r->images, IMG_PSTREE, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message PstreeEntry *p = NULL;

		got = image_read(&img, &pstree_entry__descriptor, &p, e);
		if (got <= 0)
			break;
		if (load_task(r, p, e) < 0)
			return e->code;
	}
	if (got < 0)
		return got;
	if (r->task_count == 0)
		return err_say(e, "'pstree.img' has no process");
	return check_tids(r, e);
}

int load_tree(struct restore *r, struct err *e)
{
	if (image_load(r->images, IMG_INVENTORY, 0, &r->inventory, e) < 0) {
		if (e->code == -ENOENT)
			err_hint(e, "the folder holds no complete dump");
		return e->code;
	}
	if (check_inventory(r, e) < 0 || load_pstree(r, e) < 0 || rns_load(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < restore_kind_count; i++)
		if (restore_kinds[i]->load && restore_kinds[i]->load(r, e) < 0)
			return err_on(e, "%s", restore_kinds[i]->name);
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->load && vma_restore_kinds[i]->load(r, e) < 0)
			return err_on(e, "%s", vma_restore_kinds[i]->name);
	return rfiles_load(r, e);
}

static void close_task(struct rtask *t)
{
	if (t->core && t->ids == t->core->ids)
		t->ids = NULL;
	image_message_free(&t->ids);
	image_message_free(&t->mm);
	image_message_free(&t->fs);
	t->core = NULL;
	for (size_t k = 0; k < t->thread_count; k++) {
		image_message_free(&t->threads[k].core);
		image_message_free(&t->threads[k].extra);
	}
}

void load_close(struct restore *r)
{
	for (size_t i = 0; i < r->task_count; i++)
		close_task(r->tasks[i]);
	free(r->tasks);
	r->tasks = NULL;
	r->task_count = 0;
	image_message_free(&r->seccomp);
	image_message_free(&r->inventory);
}
