/*
 * Rings of io_uring: made with as many entries, and counted up to where they were by requests that do nothing (NOP), since
 * nobody can tell the kernel its own numbers. Then the memory is put over it. Files and buffers are registered by the task,
 * whose they are.
 */
#include "images/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "images/fd/uring.pb-c.h"
#include "restore/files.h"

enum { NOP_FLAGS = 1 << 6 /* IOSQE_CQE_SKIP_SUCCESS */, ROOM = 2 };

struct ring {
	int fd;
	struct io_uring_params p;
	char *ring, *sqes;
};

static bool uring_takes(const FileExtraEntry *extra)
{
	return extra->uring;
}

static int check(const UringEntry *u, struct err *e)
{
	if (!u->sq_entries || u->sq_entries > URING_ENTRIES_MAX || !u->cq_entries ||
	    u->cq_entries > 2 * URING_ENTRIES_MAX || u->n_layout != URING_LAYOUT ||
	    u->cq_tail > URING_COUNT_MAX || u->sq_head - u->cq_tail > URING_COUNT_MAX ||
	    u->n_buffers > URING_ENTRIES_MAX || u->file_slots > URING_ENTRIES_MAX)
		return err_say(e, "the images have a ring that cannot be");
	for (size_t i = 0; i < u->n_files; i++)
		if (u->files[i]->slot >= u->file_slots)
			return err_say(e, "the images have a registered file %u of %u",
				       u->files[i]->slot, u->file_slots);
	return 0;
}

static int set_up(const UringEntry *u, struct ring *r, struct err *e)
{
	uint32_t layout[URING_LAYOUT];

	/* It goes on behind a request with an error, which who wants it so cannot do without. */
	r->p.flags = u->setup | IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL;
	r->p.cq_entries = u->cq_entries;
	r->fd = uring_setup(u->sq_entries, &r->p);
	if (r->fd < 0)
		return err_sys(e, "make a ring of io_uring of %u and %u entries", u->sq_entries,
			       u->cq_entries);
	fcntl(r->fd, F_SETFD, FD_CLOEXEC);
	uring_layout(&r->p, layout);
	if (memcmp(layout, u->layout, sizeof(layout)) == 0 &&
	    (r->p.features & u->features) == u->features && r->p.sq_entries == u->sq_entries &&
	    r->p.cq_entries == u->cq_entries && u->ring.len == uring_ring_size(&r->p) &&
	    u->sqes.len == uring_sqes_size(&r->p))
		return 0;
	return err_code(
		e, ENOTSUP,
		"rings of io_uring look different in this kernel than in the one of the dump");
}

static uint32_t *word(const struct ring *r, uint32_t at)
{
	return (uint32_t *)(r->ring + at);
}

/* As many at once as there is room for; head: how far completions may be taken away. */
static int count_some(const struct ring *r, const UringEntry *u, uint32_t *sq, uint32_t head,
		      struct err *e)
{
	uint32_t n = r->p.sq_entries, done = *sq < u->cq_tail ? *sq : u->cq_tail;
	uint32_t free_cqes = u->cq_entries - (done - *word(r, r->p.cq_off.head));
	size_t step = r->p.flags & IORING_SETUP_SQE128 ? 2 : 1;
	struct io_uring_sqe *sqes = (void *)r->sqes;

	if (n > u->sq_head - *sq)
		n = u->sq_head - *sq;
	if (*sq < u->cq_tail && n > u->cq_tail - *sq)
		n = u->cq_tail - *sq;
	if (*sq < u->cq_tail && n > free_cqes)
		n = free_cqes;
	for (uint32_t i = 0; i < n; i++)
		sqes[((*sq + i) & (u->sq_entries - 1)) * step].flags = *sq < u->cq_tail ? 0 :
											  NOP_FLAGS;
	__atomic_store_n(word(r, r->p.sq_off.tail), *sq + n, __ATOMIC_RELEASE);
	if (!n || uring_enter(r->fd, n, 0) != (int)n)
		return err_sys(e, "count up the ring, at %u", *sq);
	*sq += n;
	done = *sq < u->cq_tail ? *sq : u->cq_tail;
	__atomic_store_n(word(r, r->p.cq_off.head), done < head ? done : head, __ATOMIC_RELEASE);
	return 0;
}

static int count_up(const struct ring *r, const UringEntry *u, struct err *e)
{
	uint32_t head, sq = 0;

	memcpy(&head, u->ring.data + r->p.cq_off.head, sizeof(head));
	if (head > u->cq_tail || u->cq_tail - head > u->cq_entries)
		return err_say(e,
			       "the images have a ring with %u completions of which %u were read",
			       u->cq_tail, head);
	for (uint32_t i = 0; !(r->p.flags & IORING_SETUP_NO_SQARRAY) && i < u->sq_entries; i++)
		word(r, r->p.sq_off.array)[i] = i;
	while (sq != u->sq_head)
		if (count_some(r, u, &sq, head, e) < 0)
			return e->code;
	if (*word(r, r->p.cq_off.tail) != u->cq_tail || *word(r, r->p.sq_off.head) != u->sq_head)
		return err_say(e, "the ring did not count up to %u", u->cq_tail);
	return 0;
}

static int fill(struct ring *r, const UringEntry *u, struct err *e)
{
	r->ring = mmap(NULL, u->ring.len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
		       IORING_OFF_SQ_RING);
	r->sqes =
		mmap(NULL, u->sqes.len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	if (r->ring == MAP_FAILED || r->sqes == MAP_FAILED)
		return err_sys(e, "map the ring");
	if (count_up(r, u, e) < 0)
		return e->code;
	memcpy(r->ring, u->ring.data, u->ring.len);
	memcpy(r->sqes, u->sqes.data, u->sqes.len);
	return 0;
}

static int uring_make(struct restore *restore, const FileEntry *f, int *ret_fd, struct err *e)
{
	const UringEntry *u = rfiles_extra(restore, f->id)->uring;
	struct ring r = { .fd = -1, .ring = MAP_FAILED, .sqes = MAP_FAILED };
	own_fd fd = -1;
	int res;

	if (check(u, e) < 0)
		return e->code;
	res = set_up(u, &r, e);
	fd = r.fd;
	if (res == 0)
		res = fill(&r, u, e);
	if (r.ring != MAP_FAILED)
		munmap(r.ring, u->ring.len);
	if (r.sqes != MAP_FAILED)
		munmap(r.sqes, u->sqes.len);
	if (res < 0)
		return res;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int uring_join(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e)
{
	const UringEntry *u = rfiles_extra(t->restore, f->id)->uring;
	int32_t *fds;

	(void)e;
	if (!u->file_slots)
		return 0;
	fds = plan_data(p, u->file_slots * sizeof(*fds));
	memset(fds, -1, u->file_slots * sizeof(*fds));
	for (size_t i = 0; i < u->n_files; i++)
		fds[u->files[i]->slot] = (int32_t)u->files[i]->fd;
	plan_call(p, plan_words(p, "register the files of fd %d (io_uring)", fd),
		  SYS_io_uring_register, ARG(fd), ARG(IORING_REGISTER_FILES), DATA(p, fds),
		  ARG(u->file_slots));
	return 0;
}

static int uring_late(struct rtask *t, const FileEntry *f, int fd, struct plan *p, struct err *e)
{
	const UringEntry *u = rfiles_extra(t->restore, f->id)->uring;
	struct iovec *all;

	(void)e;
	if (!u->n_buffers)
		return 0;
	all = plan_data(p, u->n_buffers * sizeof(*all));
	for (size_t i = 0; i < u->n_buffers; i++)
		all[i] = (struct iovec){ (void *)u->buffers[i]->address, u->buffers[i]->size };
	plan_call(p, plan_words(p, "register the buffers of fd %d (io_uring)", fd),
		  SYS_io_uring_register, ARG(fd), ARG(IORING_REGISTER_BUFFERS), DATA(p, all),
		  ARG(u->n_buffers));
	return 0;
}

static uint32_t uring_room(const FileEntry *f)
{
	(void)f;
	return ROOM;
}

const struct fd_restore_kind uring_fd_restore_kind = {
	.name = "fd/uring",
	.type = FD_TYPES__EXT,
	.takes = uring_takes,
	.make = uring_make,
	.join = uring_join,
	.late = uring_late,
	.room = uring_room,
};
