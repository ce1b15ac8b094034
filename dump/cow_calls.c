/* Which system calls have to wait; see cow_calls.h. */
#include "dump/cow_calls.h"

#include <linux/audit.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/io.h"
#include "lib/own.h"

/* Newer than the headers of Debian 12. */
enum {
	ADVICE_GUARD_REMOVE = 103,
	CALL_X32 = 1 << 30,
	MAP_OVER = 0x10,	 /* MAP_FIXED */
	MAP_NOT_OVER = 0x100000, /* MAP_FIXED_NOREPLACE */
	MAY_MOVE = 1,		 /* MREMAP_MAYMOVE */
	NEW_UFFD = 0xaa00,	 /* USERFAULTFD_IOC_NEW */
};

static const struct cow_reach nothing;

static struct cow_reach part(uint64_t start, uint64_t size)
{
	struct cow_reach r = { .count = 1 };
	uint64_t end = (start + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

	r.parts[0].start = start & ~(PAGE_SIZE - 1);
	r.parts[0].end = end < start ? UINT64_MAX : end; /* the kernel will refuse it */
	return r;
}

static struct cow_reach of_munmap(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return part(a[0], a[1]);
}

static struct cow_reach of_mmap(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	if (!(a[3] & MAP_OVER) || (a[3] & MAP_NOT_OVER) == MAP_NOT_OVER)
		return nothing;
	return part(a[0], a[1]);
}

/*
 * A mapping that is moved leaves its userfaultfd, and so does one that it is joined with where it comes to: that can be
 * any. One that stays where it is may become shorter.
 */
static struct cow_reach of_mremap(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	if (a[3] & ~(uint64_t)MAY_MOVE || (a[3] & MAY_MOVE && a[2] > a[1]))
		return (struct cow_reach){ .all = true };
	return a[2] < a[1] ? part(a[0], a[1]) : nothing;
}

static struct cow_reach of_brk(const struct cow_call *c, const uint64_t *a)
{
	if (a[0] < c->heap || a[0] >= c->heap_end)
		return nothing;
	return part(a[0], c->heap_end - a[0]);
}

/* What is known to leave contents alone. Merging (KSM) does too, but puts other pages into their places. */
static bool is_harmless(uint64_t advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
	case ADVICE_GUARD_REMOVE:
		return true;
	default:
		return false;
	}
}

static struct cow_reach of_madvise(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return is_harmless(a[2]) ? nothing : part(a[0], a[1]);
}

static struct cow_reach of_process_madvise(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return (struct cow_reach){ .all = !is_harmless(a[3]) };
}

static struct cow_reach of_shmat(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return (struct cow_reach){ .all = a[2] & SHM_REMAP };
}

static struct cow_reach of_prctl(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	/* PR_SET_MEMORY_MERGE makes all of it mergeable. */
	return (struct cow_reach){ .all = a[0] == PR_SET_MM || a[0] == 67 };
}

static struct cow_reach of_ioctl(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return (struct cow_reach){ .all = (uint32_t)a[1] == NEW_UFFD };
}

/* The end of its memory; or what could change it without a call that is seen here. */
static struct cow_reach of_all(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	(void)a;
	return (struct cow_reach){ .all = true };
}

/* flags and child_tid of clone3. */
static bool read_clone3(const struct cow_call *c, uint64_t at, struct clone_args *ret)
{
	struct iovec to = { ret, CLONE_ARGS_SIZE_VER0 }, from = { (void *)at, to.iov_len };

	return process_vm_readv(c->tid, &to, 1, &from, 1, 0) == (ssize_t)to.iov_len;
}

/* A thread that is not to be traced would not be seen by us either. */
static bool hides(uint64_t flags)
{
	return (flags & (CLONE_UNTRACED | CLONE_VM)) == (CLONE_UNTRACED | CLONE_VM);
}

static struct cow_reach of_clone(const struct cow_call *c, const uint64_t *a)
{
	(void)c;
	return (struct cow_reach){ .all = hides(a[0]) };
}

static struct cow_reach of_clone3(const struct cow_call *c, const uint64_t *a)
{
	struct clone_args args = { 0 };

	return (struct cow_reach){ .all = !read_clone3(c, a[0], &args) || hides(args.flags) };
}

static const struct {
	unsigned int nr;
	struct cow_reach (*reach)(const struct cow_call *c, const uint64_t *a);
} calls[] = {
	{ SYS_munmap, of_munmap },
	{ SYS_mmap, of_mmap },
	{ SYS_mremap, of_mremap },
	{ SYS_brk, of_brk },
	{ SYS_madvise, of_madvise },
	{ 440 /* process_madvise */, of_process_madvise },
	{ SYS_shmat, of_shmat },
	{ SYS_prctl, of_prctl },
	{ SYS_ioctl, of_ioctl },
	{ SYS_clone, of_clone },
	{ 435 /* clone3 */, of_clone3 },
	{ SYS_execve, of_all },
	{ SYS_execveat, of_all },
	{ SYS_userfaultfd, of_all },
	{ 425 /* io_uring_setup */, of_all },
};

/* 32-bit calls have other numbers. A program that makes them here, out of 64-bit code, waits for everything. */
static bool is_foreign(const struct __ptrace_syscall_info *i)
{
	return i->arch != AUDIT_ARCH_X86_64 || i->entry.nr & CALL_X32;
}

bool cow_call_moves(const struct cow_call *c)
{
	return is_foreign(&c->info) || c->info.entry.nr == SYS_mremap;
}

bool cow_call_leaves(const struct cow_call *c)
{
	return c->info.entry.nr == SYS_execve || c->info.entry.nr == SYS_execveat;
}

bool cow_call_makes_threads(const struct cow_call *c)
{
	const uint64_t nr = c->info.entry.nr;

	return nr == SYS_clone || nr == 435 || nr == SYS_vfork || nr == SYS_fork;
}

struct cow_reach cow_call_reach(const struct cow_call *c)
{
	const uint64_t *a = (const uint64_t *)c->info.entry.args;

	if (is_foreign(&c->info))
		return (struct cow_reach){ .all = true };
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].nr == c->info.entry.nr)
			return calls[i].reach(c, a);
	return nothing;
}

bool cow_call_child_tid(const struct cow_call *c, uint64_t *ret)
{
	const uint64_t *a = (const uint64_t *)c->info.entry.args;
	struct clone_args args = { .flags = a[0], .child_tid = a[3] };

	if (is_foreign(&c->info))
		return false;
	if (c->info.entry.nr == 435 && !read_clone3(c, a[0], &args))
		return false;
	if (c->info.entry.nr != 435 && c->info.entry.nr != SYS_clone)
		args.flags = 0; /* fork, vfork */
	*ret = args.flags & CLONE_CHILD_CLEARTID ? args.child_tid : 0;
	return true;
}
