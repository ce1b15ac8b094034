/* Units on their way from a running process to the pages file; see cow_space.h. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dump/cow_space.h"
#include "lib/io.h"
#include "lib/pagemap.h"
#include "lib/uffd.h"
#include "lib/written.h"

enum { VECTORS = COW_WINDOW / 4096 };

uint64_t cow_unit_end(const struct cow_unit *u)
{
	return (u->vaddr + COW_BLOCK) & ~(uint64_t)(COW_BLOCK - 1);
}

size_t cow_space_find(const struct cow_space *s, uint64_t at)
{
	size_t low = 0, high = s->unit_count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (cow_unit_end(&s->units[mid]) <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* What is present of a unit, piece by piece: at most one for each page. */
static size_t pieces_of(const struct cow_space *s, const struct cow_unit *u, struct iovec *ret)
{
	uint64_t at = u->vaddr, left = u->pages * PAGE_SIZE;
	size_t n = 0;

	for (uint32_t run = u->run; left; run++) {
		const struct page_run *r = &s->runs[run];
		uint64_t bytes = r->vaddr + r->bytes - at;

		if (bytes > left)
			bytes = left;
		ret[n++] = (struct iovec){ (void *)at, bytes };
		left -= bytes;
		at = run + 1 < s->run_count ? s->runs[run + 1].vaddr : 0;
	}
	return n;
}

/*
 * Which pages from here on might be copied for their owner if they were pinned (lib/pagemap.h). The kernel walks to the end of
 * a page table whatever it is asked, so that much is asked at once.
 */
static void look(const struct cow_space *s, uint64_t at, struct page_view *ret)
{
	uint64_t words[PAGE_VIEW];
	uint64_t pages = PAGE_VIEW - at / PAGE_SIZE % PAGE_VIEW;
	ssize_t got = pread(s->pagemap_fd, words, pages * sizeof(*words),
			    at / PAGE_SIZE * sizeof(*words));

	pages = got > 0 ? got / sizeof(*words) : 0;
	*ret = (struct page_view){ at, at + pages * PAGE_SIZE, {} };
	for (uint64_t i = 0; i < pages; i++)
		if (pagemap_is_common(words[i]))
			ret->bits[i / 64] |= 1ULL << i % 64;
}

/* Whether any page of a piece is one. */
static bool is_common(const struct cow_space *s, const struct iovec *piece, struct page_view *view)
{
	uint64_t at = (uint64_t)piece->iov_base, end = at + piece->iov_len;

	for (; at < end; at += PAGE_SIZE) {
		uint64_t n;

		if (at < view->start || at >= view->end)
			look(s, at, view);
		n = (at - view->start) / PAGE_SIZE;
		if (at < view->end && view->bits[n / 64] >> n % 64 & 1)
			return true;
	}
	return false;
}

/* A mapping that its owner may not read (any more) is read all the same, and what is shared copy-on-write stays so. */
static int read_pieces(struct cow_space *s, struct cow_copy *to_copy, const struct iovec *from,
		       size_t count, struct err *e)
{
	struct page_view own = {}, *view = to_copy->view ? to_copy->view : &own;
	char *buf = to_copy->data;
	bool common = false;
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size += from[i].iov_len;
		common = common || is_common(s, &from[i], view);
	}
	struct iovec to = { buf, size };
	if (!common && process_vm_readv(s->pid, &to, 1, from, count, 0) == (ssize_t)size)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (io_pread(s->mem_fd, buf, from[i].iov_len, (uint64_t)from[i].iov_base, e) < 0)
			return err_on(e, "memory at %p", from[i].iov_base);
		buf += from[i].iov_len;
	}
	return 0;
}

/* 1: all of it is as it was at the moment. Pieces that touch are asked about together. */
static int prove(struct cow_space *s, const struct iovec *from, size_t count, struct err *e)
{
	for (size_t i = 0; i < count;) {
		uint64_t start = (uint64_t)from[i].iov_base, end = start + from[i].iov_len;
		int r;

		while (++i < count && (uint64_t)from[i].iov_base == end)
			end += from[i].iov_len;
		r = written_nothing(s->pagemap_fd, start, end, e);
		if (r <= 0)
			return r;
	}
	return 1;
}

static bool all_saved(const struct cow_space *s, const size_t *units, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!s->units[units[i]].saved)
			return false;
	return true;
}

static int lost(const struct cow_space *s, uint64_t at, struct err *e)
{
	err_code(e, EFAULT,
		 "memory at 0x%lx of pid %d has changed in a way that cannot be followed while "
		 "it runs",
		 at, s->pid);
	return err_hint(e, "dump it with --freeze=stop");
}

static void mark(struct cow_space *s, const size_t *units, size_t count, struct cow_copy *ret)
{
	size_t at = 0;

	ret->count = 0;
	ret->fd = s->pages_fd;
	ret->sums = s->sums;
	for (size_t i = 0; i < count; i++) {
		struct cow_unit *u = &s->units[units[i]];
		uint32_t bytes = u->pages * PAGE_SIZE;
		uint8_t no = 0;

		if (atomic_compare_exchange_strong(&u->saved, &no, 1)) {
			ret->parts[ret->count++] = (struct cow_part){ u->offset, at, bytes };
			s->left--;
		}
		at += bytes;
	}
}

int cow_space_copy(struct cow_space *s, size_t first, size_t last, struct cow_copy *ret,
		   struct err *e)
{
	size_t units[COW_WINDOW / COW_BLOCK], count = 0, pieces = 0;
	struct iovec from[VECTORS];
	struct err why = { 0 };
	int r;

	ret->count = 0;
	for (size_t i = first; i < last && count < ARRAY_SIZE(units); i++)
		if (!s->units[i].saved) {
			pieces += pieces_of(s, &s->units[i], from + pieces);
			units[count++] = i;
		}
	if (!count)
		return 0;
	r = read_pieces(s, ret, from, pieces, &why);
	if (r == 0)
		r = prove(s, from, pieces, &why);
	if (r > 0) {
		mark(s, units, count, ret);
		return 0;
	}
	/* Somebody else may have been faster, and have let the owner go. */
	if (all_saved(s, units, count))
		return 0;
	if (count > 1) {
		/* One of them is; so each half by itself, in the part of the memory that is large enough for it. */
		size_t mid = units[count / 2], half = count / 2 * COW_BLOCK;
		struct cow_copy second = { .data = ret->data + half, .view = ret->view };

		if (cow_space_copy(s, first, mid, ret, e) < 0 ||
		    cow_space_copy(s, mid, units[count - 1] + 1, &second, e) < 0)
			return e->code;
		for (size_t i = 0; i < second.count; i++) {
			ret->parts[ret->count] = second.parts[i];
			ret->parts[ret->count++].at += half;
		}
		ret->fd = s->pages_fd;
		ret->sums = s->sums;
		return 0;
	}
	if (r < 0) {
		*e = why;
		return err_on(e, "pid %d", s->pid);
	}
	return lost(s, s->units[units[0]].vaddr, e);
}

int cow_copy_write(const struct cow_copy *c, struct manifest_part *m, struct err *e)
{
	for (size_t i = 0; i < c->count;) {
		const struct cow_part *p = &c->parts[i];
		size_t bytes = p->bytes;

		while (++i < c->count && c->parts[i].offset == p->offset + bytes &&
		       c->parts[i].at == p->at + bytes)
			bytes += c->parts[i].bytes;
		if (io_pwrite(c->fd, c->data + p->at, bytes, p->offset, e) < 0)
			return e->code;
		manifest_part_add(m, c->sums, p->offset, c->data + p->at, bytes);
	}
	return 0;
}

/* Step by step, since in some of it there is nothing that could be released. */
static void release_steps(struct cow_space *s, uint64_t start, uint64_t end)
{
	uint64_t step = end - start > COW_BLOCK ? COW_BLOCK : PAGE_SIZE;

	for (uint64_t at = start, next; at < end; at = next) {
		next = (at + step) & ~(step - 1);
		next = next < end ? next : end;
		cow_space_release(s, at, next);
	}
}

/*
 * Mappings may have gone, or come, since. A large area, of which a program may have reserved terabytes, is not gone through in steps: the
 * kernel knows where there is something.
 */
void cow_space_release(struct cow_space *s, uint64_t start, uint64_t end)
{
	own_ranges found = { 0 };
	struct err ignored = { 0 };
	int r = uffd_protect(s->uffd, start, end, false, &ignored);

	if (r == 0 || r == -ESRCH || end - start <= PAGE_SIZE)
		return; /* done, or all of it is gone */
	if (end - start <= COW_WINDOW ||
	    written_find_protected(s->pagemap_fd, start, end, &found, &ignored) < 0) {
		release_steps(s, start, end);
		return;
	}
	for (size_t i = 0; i < found.count; i++)
		if (uffd_protect(s->uffd, found.all[i].start, found.all[i].end, false, &ignored) <
		    0)
			release_steps(s, found.all[i].start, found.all[i].end);
}
