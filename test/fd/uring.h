/* Rings of io_uring by hand, for programs of test/. */
#ifndef STASIS_TEST_FD_URING_H
#define STASIS_TEST_FD_URING_H

#include "test/lib/fds.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/uio.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

enum { RING_SIZE = 1 << 14 };

struct ring {
	int fd;
	struct io_uring_params p;
	char *memory;
	struct io_uring_sqe *sqes;
};

static inline uint32_t *ring_word(const struct ring *r, uint32_t at)
{
	return (uint32_t *)(r->memory + at);
}

static inline bool ring_try(struct ring *r, uint32_t entries, uint32_t flags)
{
	memset(r, 0, sizeof(*r));
	r->p.flags = flags;
	r->fd = syscall(SYS_io_uring_setup, entries, &r->p);
	return r->fd >= 0;
}

static inline void ring_make(struct ring *r, uint32_t entries, uint32_t flags)
{
	if (!ring_try(r, entries, flags))
		victim_skip("there is no io_uring");
	r->memory = SYS(mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			     r->fd, IORING_OFF_SQ_RING));
	r->sqes = SYS(mmap(NULL, r->p.sq_entries * (flags & IORING_SETUP_SQE128 ? 128 : 64),
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
			   IORING_OFF_SQES));
}

/* Room for one more request, which the kernel is not told of yet. */
static inline struct io_uring_sqe *ring_add(struct ring *r, uint8_t opcode, uint64_t data)
{
	uint32_t tail = *ring_word(r, r->p.sq_off.tail), at = tail & (r->p.sq_entries - 1);
	struct io_uring_sqe *s = &r->sqes[r->p.flags & IORING_SETUP_SQE128 ? 2 * at : at];

	memset(s, 0, sizeof(*s));
	s->opcode = opcode;
	s->user_data = data;
	if (!(r->p.flags & IORING_SETUP_NO_SQARRAY))
		ring_word(r, r->p.sq_off.array)[at] = at;
	__atomic_store_n(ring_word(r, r->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	return s;
}

static inline void ring_submit(struct ring *r, uint32_t count, uint32_t wait)
{
	SAME(SYS(syscall(SYS_io_uring_enter, r->fd, count, wait, IORING_ENTER_GETEVENTS, NULL, 0)),
	     count);
}

static inline uint32_t ring_waiting(const struct ring *r)
{
	return *ring_word(r, r->p.cq_off.tail) - *ring_word(r, r->p.cq_off.head);
}

/* The next completion is of this request, with this result. */
static inline void ring_take(struct ring *r, uint64_t data, int result)
{
	uint32_t head = *ring_word(r, r->p.cq_off.head);
	uint32_t step = r->p.flags & IORING_SETUP_CQE32 ? 2 : 1;
	const struct io_uring_cqe *c = (void *)(r->memory + r->p.cq_off.cqes);

	CHECK(ring_waiting(r) > 0);
	c = &c[(uint64_t)(head & (r->p.cq_entries - 1)) * step];
	SAME(c->user_data, data);
	SAME(c->res, result);
	__atomic_store_n(ring_word(r, r->p.cq_off.head), head + 1, __ATOMIC_RELEASE);
}

/* So many requests that do nothing, of which the completions of the last ones stay unread. */
static inline void ring_turn(struct ring *r, int count, int unread)
{
	for (int i = 0; i < count; i++) {
		ring_add(r, IORING_OP_NOP, i);
		ring_submit(r, 1, 0);
		if (i < count - unread)
			ring_take(r, i, 0);
	}
}

#endif
