/*
 * Rings of Linux AIO. io_setup makes a context and puts its ring anywhere; the ring is moved to its place, which
 * also is the name of the context. The kernel's own idea of the ring's end cannot be set: it is brought
 * there by requests that do nothing (writes to /dev/null), and then the contents are put over it.
 */
#include "restore/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "images/vma.h"
#include "lib/io.h"
#include "restore/mm/map.h"

/* The beginning of a ring, as the kernel and libaio know it. */
struct ring {
	uint32_t id, nr, head, tail;
	uint32_t magic, compat_features, incompat_features, header_length;
};

static bool aio_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_AIORING;
}

static const AioRingEntry *find_ring(const struct rtask *t, const VmaEntry *v)
{
	for (size_t i = 0; i < t->mm->n_aios; i++)
		if (t->mm->aios[i]->id == v->start)
			return t->mm->aios[i];
	return NULL;
}

static uint64_t events_in(uint64_t bytes)
{
	return (bytes - sizeof(struct ring)) / sizeof(struct io_event);
}

/* The kernel makes a ring the larger the more processors it has: tried out here. */
static int check_length(const AioRingEntry *a, struct err *e)
{
	aio_context_t ctx = 0;
	uint32_t nr;

	if (syscall(SYS_io_setup, a->nr_req, &ctx) < 0)
		return err_sys(e, "io_setup(%u)", a->nr_req);
	nr = ((const struct ring *)ctx)->nr;
	syscall(SYS_io_destroy, ctx);
	if (nr == events_in(a->ring_len))
		return 0;
	return err_code(
		e, ENOTSUP,
		"an AIO ring of %u bytes, for %u requests, has another size on this machine",
		a->ring_len, a->nr_req);
}

static int check_task(struct rtask *t, struct err *e)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i];
		const AioRingEntry *a;

		if (!aio_match(v))
			continue;
		a = find_ring(t, v);
		if (!a || a->ring_len != v->end - v->start)
			return err_say(e, "the mapping %lx-%lx has no AIO context", v->start,
				       v->end);
		if (check_length(a, e) < 0)
			return e->code;
	}
	return 0;
}

static int aio_prepare(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm && check_task(r->tasks[i], e) < 0)
			return err_on(e, "pid %d", r->tasks[i]->pid);
	return 0;
}

/* Where the images have the ring, and what it begins with. */
struct stored_ring {
	const struct stored_run *run;
	uint64_t offset;
	struct ring ring;
};

static int find_contents(struct rtask *t, const VmaEntry *v, struct stored_ring *ret, struct err *e)
{
	const struct stored_run *run = stored_pages_find(t->pages, v->start);

	if (!run || run->vaddr > v->start || !(run->flags & PE_PRESENT) ||
	    run->vaddr + run->nr_pages * PAGE_SIZE < v->end)
		return err_say(e, "the contents of an AIO ring are not in the images");
	ret->run = run;
	ret->offset = run->offset + (v->start - run->vaddr);
	if (stored_run_read(run, &ret->ring, sizeof(ret->ring), ret->offset, e) < 0)
		return err_on(e, "the AIO ring at %lx", v->start);
	if (ret->ring.nr != events_in(v->end - v->start) || ret->ring.tail >= ret->ring.nr ||
	    ret->ring.head >= ret->ring.nr)
		return err_say(e, "the AIO ring at %lx is damaged", v->start);
	return 0;
}

/* The context, with its ring at v. */
static void make_ring(const VmaEntry *v, const AioRingEntry *a, struct plan *p)
{
	uint64_t size = v->end - v->start;
	uint32_t move;

	/* So that the kernel does not put the ring where it is to be moved to: that could not be done. */
	plan_call(p, "keep the place of an AIO ring free", SYS_mmap, ARG(v->start), ARG(size),
		  ARG(PROT_NONE), ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), ARG(-1));
	/* It writes the address of the ring where the next entry has its first argument. */
	move = p->wire->count + 1;
	plan_call(p, "make an AIO context", SYS_io_setup, ARG(a->nr_req),
		  DATA(p, &p->wire->entry[move].arg[0]));
	plan_call(p, "move an AIO ring to its place", SYS_mremap, ARG(0), ARG(size), ARG(size),
		  ARG(MREMAP_MAYMOVE | MREMAP_FIXED), ARG(v->start));
}

/* A request that does nothing, many times over, and room for what comes of it. */
struct requests {
	const VmaEntry *v;
	struct plan_arg list, events;
};

static struct requests prepare_requests(const VmaEntry *v, uint32_t count, int null_entry,
					struct rtask *t, struct plan *p)
{
	struct iocb *request = plan_data(p, sizeof(*request));
	uint64_t *list = plan_data(p, count * sizeof(*list));
	struct iovec *to = plan_data(p, sizeof(*to)), *from = plan_data(p, sizeof(*from));
	struct io_event *events = plan_data(p, count * sizeof(*events));

	request->aio_lio_opcode = IOCB_CMD_PWRITE;
	for (uint32_t i = 0; i < count; i++)
		list[i] = arena_there(p->arena, request).at;
	/* The number of the descriptor is known when the entry that opens it has run. */
	to->iov_base = (void *)arena_there(p->arena, &request->aio_fildes).at;
	from->iov_base = (void *)arena_there(p->arena, &p->wire->entry[null_entry].result).at;
	to->iov_len = from->iov_len = sizeof(request->aio_fildes);
	plan_call(p, "note the descriptor of /dev/null", SYS_process_vm_readv, ARG(t->pid),
		  DATA(p, to), ARG(1), DATA(p, from), ARG(1));
	return (struct requests){ v, DATA(p, list), DATA(p, events) };
}

static void submit(const struct requests *q, uint32_t count, bool reap, struct plan *p)
{
	if (count == 0)
		return;
	plan_call(p, "make empty AIO requests", SYS_io_submit, ARG(q->v->start), ARG(count),
		  q->list);
	if (reap)
		plan_call(p, "wait for empty AIO requests", SYS_io_getevents, ARG(q->v->start),
			  ARG(count), ARG(count), q->events);
}

/*
 * As many requests as bring the head to where it was, their results taken, and then as many as lie between it and the
 * tail: the kernel then also counts the results that wait in the ring.
 */
static void turn_ring(struct rtask *t, const VmaEntry *v, const struct ring *ring, struct plan *p)
{
	uint32_t waiting = (ring->tail + ring->nr - ring->head) % ring->nr;
	uint32_t half = ring->head / 2, other = ring->head - half;
	char *path = plan_copy(p, "/dev/null", sizeof("/dev/null"));
	int null = plan_call(p, "open /dev/null", SYS_openat, ARG(AT_FDCWD), DATA(p, path),
			     ARG(O_WRONLY | O_CLOEXEC));
	struct requests q = prepare_requests(v, waiting > other ? waiting : other, null, t, p);

	submit(&q, half, true, p);
	submit(&q, other, true, p);
	submit(&q, waiting, false, p);
	plan_call(p, "close /dev/null", SYS_close, RESULT(null));
	/* FUTEX_CMP_REQUEUE of nobody compares, and fails if it is another value. */
	plan_call(p, "look whether the AIO ring has turned as far as it should", SYS_futex,
		  ARG(v->start + offsetof(struct ring, tail)), ARG(FUTEX_CMP_REQUEUE_PRIVATE),
		  ARG(0), ARG(0), ARG(v->start + offsetof(struct ring, head)), ARG(ring->tail));
}

/* Compressed: by way of the plan's data, from where the task copies it to itself. */
static int copy_ring(struct rtask *t, const struct stored_ring *s, struct iovec *to, struct plan *p,
		     struct err *e)
{
	struct iovec *from = plan_data(p, sizeof(*from));
	char *data = plan_data(p, to->iov_len);

	if (stored_run_read(s->run, data, to->iov_len, s->offset + sizeof(s->ring.id), e) < 0)
		return err_on(e, "an AIO ring");
	*from = (struct iovec){ (void *)arena_there(p->arena, data).at, to->iov_len };
	plan_call(p, "copy an AIO ring", SYS_process_vm_readv, ARG(t->pid), DATA(p, to), ARG(1),
		  DATA(p, from), ARG(1));
	return 0;
}

static int aio_map(struct rtask *t, const VmaEntry *v, bool, struct plan *p, struct err *e)
{
	const AioRingEntry *a = find_ring(t, v);
	struct stored_ring s;
	struct iovec *vec;

	if (find_contents(t, v, &s, e) < 0)
		return e->code;
	make_ring(v, a, p);
	if (s.ring.tail || s.ring.head)
		turn_ring(t, v, &s.ring, p);
	/* All but the id, which is the number of the context in the kernel's own table. */
	vec = plan_data(p, sizeof(*vec));
	vec->iov_base = (char *)v->start + sizeof(s.ring.id);
	vec->iov_len = v->end - v->start - sizeof(s.ring.id);
	if (s.run->packed)
		return copy_ring(t, &s, vec, p, e);
	plan_call(p, "read an AIO ring", SYS_preadv, memory_fetch(t, s.run->fd, p), DATA(p, vec),
		  ARG(1), ARG(s.offset + sizeof(s.ring.id)), ARG(0));
	return 0;
}

const struct vma_restore_kind aio_restore_kind = {
	.name = "mm/aio",
	.match = aio_match,
	.prepare = aio_prepare,
	.map = aio_map,
};
