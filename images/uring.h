/* What dump and restore have to agree about in rings of io_uring. */
#ifndef STASIS_IMAGES_URING_H
#define STASIS_IMAGES_URING_H

#include <linux/io_uring.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

/* The most requests that are counted up again: each takes a NOP at restore, some 40 ns. */
#define URING_COUNT_MAX (1U << 28)
/* More than the kernel makes. */
#define URING_ENTRIES_MAX (1U << 16)

enum { URING_LAYOUT = 12, URING_SQE = 64, URING_CQE = 16 };

static inline void uring_layout(const struct io_uring_params *p, uint32_t ret[URING_LAYOUT])
{
	const uint32_t all[URING_LAYOUT] = {
		p->sq_off.head,	 p->sq_off.tail,      p->sq_off.ring_mask, p->sq_off.ring_entries,
		p->sq_off.flags, p->sq_off.dropped,   p->sq_off.array,	   p->cq_off.head,
		p->cq_off.tail,	 p->cq_off.ring_mask, p->cq_off.overflow,  p->cq_off.cqes,
	};

	for (int i = 0; i < URING_LAYOUT; i++)
		ret[i] = all[i];
}

/* How much of the ring means something, and of the requests. */
static inline uint64_t uring_ring_size(const struct io_uring_params *p)
{
	uint64_t cqe = p->flags & IORING_SETUP_CQE32 ? 2 * URING_CQE : URING_CQE;

	return p->flags & IORING_SETUP_NO_SQARRAY ?
		       p->cq_off.cqes + p->cq_entries * cqe :
		       p->sq_off.array + p->sq_entries * sizeof(uint32_t);
}

static inline uint64_t uring_sqes_size(const struct io_uring_params *p)
{
	return (uint64_t)p->sq_entries *
	       (p->flags & IORING_SETUP_SQE128 ? 2 * URING_SQE : URING_SQE);
}

static inline int uring_setup(uint32_t entries, struct io_uring_params *p)
{
	return (int)syscall(SYS_io_uring_setup, entries, p);
}

static inline int uring_enter(int fd, uint32_t submit, uint32_t flags)
{
	return (int)syscall(SYS_io_uring_enter, fd, submit, 0, flags, NULL, 0);
}

static inline int uring_register(int fd, uint32_t what, void *arg, uint32_t count)
{
	return (int)syscall(SYS_io_uring_register, fd, what, arg, count);
}

#endif
