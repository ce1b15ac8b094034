/* Memory whose pages come later; see lazy.h. */
#include "restore/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "images/vma.h"
#include "lazy/images.h"
#include "lazy/server.h"
#include "lazy/socket.h"
#include "lib/io.h"
#include "lib/kernel.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/uffd.h"
#include "restore/births.h"
#include "restore/intact.h"
#include "restore/memory.h"
#include "restore/ns.h"
#include "restore/uffd.h"

enum {
	WORTH_IT = 64, /* pages: fewer are read as fast as a mapping is registered */
	WIPE_ON_FORK = 1 << 18,
	DROPPABLE = 0x8,
	ROBUST_LIMIT = 2048, /* the kernel follows no more */
};

struct rlazy {
	struct source_images *images;
	struct lazy_server server;
	int go; /* the end that we write to, -1: nobody serves */
};

bool rlazy_wanted(const struct options *opt)
{
	return opt->lazy || opt->pages.lazy;
}

int rlazy_check_options(const struct options *opt, struct err *e)
{
	const char *word = opt->lazy ? "--lazy" : "--lazy-pages";

	if (!rlazy_wanted(opt))
		return 0;
	if (opt->lazy && opt->pages.lazy)
		return err_say(e, "--lazy and --lazy-pages exclude each other: pages come from a "
				  "process of ours, or from 'lazy-pages'");
	if (opt->stream) {
		err_say(e, "%s needs images that can be read later, and a stream cannot", word);
		return err_hint(e, "write the stream to a folder first");
	}
	if (opt->track_mem) {
		err_say(e,
			"%s and --track-mem exclude each other: memory can be watched for one "
			"purpose only",
			word);
		return err_hint(e, "the first dump with --track-mem begins to count");
	}
	if (!kernel_has(KERNEL_UFFD_NONCOOP))
		return err_code(e, ENOTSUP,
				"%s needs userfaultfd with its events, which this kernel has "
				"not (uffd-noncoop)",
				word);
	return 0;
}

static int find(const MmEntry *mm, uint64_t start)
{
	int low = 0, high = mm->n_vmas;

	while (high && mm->vmas[high - 1]->status & VMA_AREA_GUARD)
		high--;
	while (low < high) {
		int mid = (low + high) / 2;

		if (mm->vmas[mid]->start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < (int)mm->n_vmas && mm->vmas[low]->start == start ? low : -1;
}

bool rlazy_covers(const struct rtask *t, const VmaEntry *v)
{
	int n = t->lazy && !(v->status & VMA_AREA_GUARD) ? find(t->mm, v->start) : -1;

	return n >= 0 && t->lazy[n];
}

bool rlazy_covers_run(const struct rtask *t, const VmaEntry *v, const struct stored_run *run)
{
	return rlazy_covers(t, v) && (t->restore->opt->lazy || run->flags & PE_LAZY);
}

static bool can_be_lazy(const VmaEntry *v)
{
	const uint32_t is = VMA_AREA_REGULAR | VMA_ANON_PRIVATE;
	const uint32_t never = VMA_AREA_SHSTK | VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL |
			       VMA_AREA_GUARD | VMA_AREA_AIORING;

	return (v->status & is) == is && !(v->status & never) &&
	       !(v->flags & (MAP_HUGETLB | MAP_LOCKED | DROPPABLE)) && !(v->madv & WIPE_ON_FORK);
}

static uint64_t pages_in(const struct rtask *t, const VmaEntry *v)
{
	uint64_t count = 0, at = v->start;

	while (at < v->end) {
		const struct stored_run *run = stored_pages_find(t->pages, at);
		uint64_t from, end;

		if (!run || run->vaddr >= v->end)
			break;
		from = run->vaddr > at ? run->vaddr : at;
		end = run->vaddr + run->nr_pages * PAGE_SIZE;
		end = end < v->end ? end : v->end;
		count += (end - from) / PAGE_SIZE;
		at = end;
	}
	return count;
}

/* A child has it from this task, which therefore has to have it when the child is born. */
static bool is_inherited(const struct rtask *t, const VmaEntry *v)
{
	const struct restore *r = t->restore;

	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *c = r->tasks[i];
		int n = c->inherits && c->parent == t && c->mm ? find(c->mm, v->start) : -1;

		if (n >= 0 && memory_inherited(c, c->mm->vmas[n]))
			return true;
	}
	return false;
}

static uint64_t decide_task(struct rtask *t)
{
	uint64_t pages = 0;

	t->lazy = pool_array(&t->restore->pool, bool, t->mm->n_vmas + 1);
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i];
		uint64_t has = can_be_lazy(v) ? pages_in(t, v) : 0;

		if (has < (t->restore->opt->lazy ? WORTH_IT : 1) || memory_inherited(t, v) ||
		    is_inherited(t, v))
			continue;
		t->lazy[i] = true;
		pages += has;
	}
	log_debug("pid %d: %lu of %lu pages come later", t->pid, pages,
		  stored_pages_count(t->pages));
	return pages;
}

/* What is not lazy is looked at while it is read, as ever. */
static int look_at_others(const struct rtask *t, struct err *e)
{
	struct stored_pages some = { 0 };
	int res = 0;

	for (size_t i = 0; i < t->mm->n_vmas && res == 0; i++) {
		const VmaEntry *v = t->mm->vmas[i];
		uint64_t at = v->start;

		while (at < v->end && res == 0) {
			const struct stored_run *run = stored_pages_find(t->pages, at);
			struct stored_run part;

			if (!run || run->vaddr >= v->end)
				break;
			part = *run;
			part.vaddr = run->vaddr > at ? run->vaddr : at;
			at = run->vaddr + run->nr_pages * PAGE_SIZE;
			at = at < v->end ? at : v->end;
			part.nr_pages = (at - part.vaddr) / PAGE_SIZE;
			part.offset += part.vaddr - run->vaddr;
			if (rlazy_covers_run(t, v, run))
				continue;
			res = io_grow(&some.runs, some.count, sizeof(part), e);
			if (res == 0)
				some.runs[some.count++] = part;
		}
	}
	if (res == 0)
		res = intact_look(t->restore, &some, e);
	free(some.runs);
	return res;
}

static const VmaEntry *vma_at(const struct rtask *t, uint64_t at)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (t->mm->vmas[i]->start <= at && at < t->mm->vmas[i]->end)
			return t->mm->vmas[i];
	return NULL;
}

/* What is not in the images has to be able to come later. */
static int check_absent(const struct rtask *t, struct err *e)
{
	for (size_t i = 0; i < t->pages->count; i++) {
		const struct stored_run *run = &t->pages->runs[i];
		uint64_t at = run->vaddr, end = run->vaddr + run->nr_pages * PAGE_SIZE;

		while (!(run->flags & PE_PRESENT) && at < end) {
			const VmaEntry *v = vma_at(t, at);

			if (!v || !rlazy_covers(t, v))
				return err_code(
					e, ENODATA,
					"pages at %lx of pid %d are not in the images (a "
					"lazy dump), and cannot come later: %s",
					at, t->pid,
					v ? "their mapping is of a kind that has them at once" :
					    "there is no mapping");
			at = v->end;
		}
	}
	return 0;
}

int rlazy_decide(struct restore *r, struct err *e)
{
	uint64_t pages = 0;

	if (!rlazy_wanted(r->opt))
		return 0;
	/* The kernel names who waits for a page by numbers inside, of which the other side knows nothing. */
	if (r->opt->pages.lazy && rns_is_own(r, NS_PID)) {
		err_code(e, ENOTSUP,
			 "the tree has a pid namespace of its own, which cannot be "
			 "restored with --lazy-pages yet");
		return err_hint(e, "restore it without, or with --lazy");
	}

	births_choose_heirs(r);
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm)
			pages += decide_task(r->tasks[i]);
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm && look_at_others(r->tasks[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm && check_absent(r->tasks[i], e) < 0)
			return e->code;
	if (r->opt->pages.lazy && !r->opt->dry_run && lazy_socket_connect(&r->lazy_sock, e) < 0)
		return e->code;
	if (!pages)
		log_info("nothing can be lazy: all pages are restored at once");
	r->lazy_pages = pages;
	return 0;
}

static int add_region(struct lazy_region **all, size_t *count, struct lazy_region r, struct err *e)
{
	struct lazy_region *last = *count ? &(*all)[*count - 1] : NULL;

	r.first = last ? last->first + last->pages : 0;
	if (last && last->at + last->pages * PAGE_SIZE == r.at) {
		last->pages += r.pages;
		return 0;
	}
	if (io_grow(all, *count, sizeof(r), e) < 0)
		return e->code;
	(*all)[(*count)++] = r;
	return 0;
}

static int regions_of(const struct rtask *t, struct lazy_region **all, size_t *count, struct err *e)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i];
		uint64_t at = v->start;

		while (t->lazy[i] && at < v->end) {
			const struct stored_run *run = stored_pages_find(t->pages, at);
			struct lazy_region r = { 0 };

			if (!run || run->vaddr >= v->end)
				break;
			r.at = run->vaddr > at ? run->vaddr : at;
			at = run->vaddr + run->nr_pages * PAGE_SIZE;
			at = at < v->end ? at : v->end;
			r.pages = (at - r.at) / PAGE_SIZE;
			if (add_region(all, count, r, e) < 0)
				return e->code;
		}
	}
	return 0;
}

static int register_all(const struct task_uffd *u, struct err *e)
{
	const struct rtask *t = u->t;

	if (uffd_missing_begin(u->fd, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i];

		if (t->lazy[i] && uffd_missing_register(u->fd, v->start, v->end, e) < 0)
			return e->code;
	}
	return 0;
}

static int add_task(struct rlazy *l, const struct task_uffd *u, struct err *e)
{
	struct lazy_space sp = { .uffd = u->fd, .pid = rtask_here(u->t) };
	own_mem struct lazy_region *saved = NULL;

	if (u->fd < 0)
		return err_res(e, u->there, "make a userfaultfd");
	if (register_all(u, e) < 0 || regions_of(u->t, &saved, &sp.saved_count, e) < 0)
		return e->code;
	/* The process that brings pages has them for as long as it lives. */
	sp.saved = pool_copy(&u->t->restore->pool, saved, sp.saved_count * sizeof(*saved));
	if (source_images_add(l->images, sp.pid, u->t->pages, e) < 0)
		return e->code;
	return lazy_server_add(&l->server, &sp, e);
}

static int pass_task(struct restore *r, const struct task_uffd *u, struct err *e)
{
	if (u->fd < 0)
		return err_res(e, u->there, "make a userfaultfd");
	return register_all(u, e) < 0 ? e->code :
					lazy_socket_send(r->lazy_sock, u->t->pid, u->fd, e);
}

/* The other side wants to know of all. */
static int pass_zombies(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *t = r->tasks[i];

		if (!t->mm && !t->helper && lazy_socket_send(r->lazy_sock, t->pid, -1, e) < 0)
			return e->code;
	}
	return 0;
}

static bool is_lazy(const struct rtask *t)
{
	if (t->restore->opt->pages.lazy && t->mm)
		return true;
	for (size_t i = 0; t->lazy && i < t->mm->n_vmas; i++)
		if (t->lazy[i])
			return true;
	return false;
}

static ino_t pid_namespace(const struct restore *r)
{
	struct err ignored = { 0 };
	own_fd proc = -1;

	return proc_open(rtask_here(r->tasks[0]), &proc, &ignored) < 0 ? 0 :
									 namespace_of(proc, "pid");
}

/* The server is a copy of this process, but needs none of its plans. */
static int start(struct restore *r, struct rlazy *l, struct err *e)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	own_fd hears = ends[0];
	l->go = ends[1];
	l->server.go = hears;
	l->server.work_fd = r->opt->work_fd;
	l->server.detached = r->opt->detached;
	l->server.pid_ns = rns_is_own(r, NS_PID) ? pid_namespace(r) : 0;
	l->server.first_pid = rtask_here(r->tasks[0]);
	madvise(r->arena.here, r->arena.size, MADV_DONTFORK);
	int res = lazy_server_start(&l->server, e);
	madvise(r->arena.here, r->arena.size, MADV_DOFORK);
	return res;
}

static uint64_t peek(int pid, uint64_t at)
{
	uint64_t word = 0;
	struct iovec here = { &word, sizeof(word) }, there = { (void *)at, sizeof(word) };

	return process_vm_readv(pid, &here, 1, &there, 1, 0) == sizeof(word) ? word : 0;
}

/*
 * What the kernel writes when a thread ends is lost where a page is missing: then nobody waits for it any more. So it is
 * there from the beginning: the word that is cleared, and whatever the list of robust mutexes leads to.
 */
static void touch_ends(const struct rthread *th)
{
	int pid = rtask_here(th->task);
	uint64_t head = th->core->thread_core->futex_rla, at, offset;

	if (th->core->thread_info->clear_tid_addr)
		peek(pid, th->core->thread_info->clear_tid_addr);
	if (!head)
		return;
	at = peek(pid, head);
	offset = peek(pid, head + offsetof(struct robust_list_head, futex_offset));
	for (int n = 0; n < ROBUST_LIMIT && at && at != head; n++) {
		peek(pid, (at & ~1UL) + offset);
		at = peek(pid, at & ~1UL) & ~1UL;
	}
	at = peek(pid, head + offsetof(struct robust_list_head, list_op_pending)) & ~1UL;
	if (at)
		peek(pid, at + offset);
}

static int begin(struct restore *r, struct rlazy *l, struct err *e)
{
	struct task_uffd *all = pool_array(&r->pool, struct task_uffd, r->task_count + 1);
	size_t count = 0;
	int res;

	for (size_t i = 0; i < r->task_count; i++)
		if (is_lazy(r->tasks[i]))
			all[count++].t = r->tasks[i];
	res = ruffd_make(r, all, count, uffd_missing_flags(), e);
	for (size_t i = 0; i < count && res == 0 && !r->opt->dry_run; i++) {
		res = l ? add_task(l, &all[i], e) : pass_task(r, &all[i], e);
		if (res < 0)
			err_on(e, "memory of pid %d", all[i].t->pid);
	}
	if (res == 0 && !r->opt->dry_run)
		res = l ? start(r, l, e) : pass_zombies(r, e);
	/* Of those that serve no descriptor may be here: it would outlive them. */
	for (size_t i = 0; i < count; i++)
		own_close(&all[i].fd);
	for (size_t i = 0; i < count && res == 0 && !r->opt->dry_run; i++)
		for (size_t k = 0; k < all[i].t->thread_count; k++)
			if (all[i].t->threads[k].core)
				touch_ends(&all[i].t->threads[k]);
	return res;
}

int rlazy_begin(struct restore *r, struct err *e)
{
	if (r->opt->pages.lazy)
		return begin(r, NULL, e);
	if (!r->lazy_pages)
		return 0;
	r->lazy = pool_new(&r->pool, struct rlazy);
	r->lazy->go = -1;
	if (lazy_server_begin(&r->lazy->server, e) < 0 ||
	    source_images_begin(&r->lazy->images, intact_chain(r), e) < 0)
		return e->code;
	r->lazy->server.source = source_images_source(r->lazy->images);
	return begin(r, r->lazy, e);
}

int rlazy_commit(struct restore *r, struct err *e)
{
	if (r->lazy_sock >= 0)
		return lazy_socket_finish(r->lazy_sock, e);
	if (!r->lazy || r->lazy->go < 0)
		return 0;
	if (io_write(r->lazy->go, "", 1, "the process that brings pages", e) < 0)
		return e->code;
	own_close(&r->lazy->go);
	r->lazy->go = -1;
	return 0;
}

void rlazy_close(struct restore *r)
{
	own_close(&r->lazy_sock);
	if (!r->lazy)
		return;
	own_close(&r->lazy->go);
	for (size_t i = 0; i < r->lazy->server.count; i++) {
		r->lazy->server.spaces[i].uffd = -1;
		lazy_space_end(&r->lazy->server.spaces[i]);
	}
	free(r->lazy->server.spaces);
	free(r->lazy->server.buffer);
	journal_drop(r->lazy->server.journal);
	if (r->lazy->images)
		r->lazy->server.source->close(r->lazy->server.source);
	r->lazy = NULL;
}
