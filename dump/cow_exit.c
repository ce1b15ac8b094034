/*
 * The kernel walks the robust list of a thread that ends and marks the word of each mutex that it still holds. These
 * writes do not wait for a userfaultfd; see cow_follow.h.
 */
#include "dump/cow_exit.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static bool get(const struct cow_space *s, uint64_t at, void *ret, size_t size)
{
	struct iovec to = { ret, size }, from = { (void *)at, size };

	return process_vm_readv(s->pid, &to, 1, &from, 1, 0) == (ssize_t)size;
}

/* The lowest bit of a link marks a mutex with priority inheritance. */
static uint64_t plain(const void *link)
{
	return (uint64_t)link & ~1ULL;
}

void cow_exit_robust(struct cow_work *w, struct cow_space *s, int tid)
{
	struct robust_list_head head;
	uint64_t head_at = 0;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, tid, &head_at, &size) < 0 || !head_at ||
	    !get(s, head_at, &head, sizeof(head)))
		return;
	if (plain(head.list_op_pending))
		cow_work_touch(w, s, plain(head.list_op_pending) + head.futex_offset);
	uint64_t at = plain(head.list.next);
	for (int i = 0; at && at != head_at && i < ROBUST_LIST_LIMIT; i++) {
		struct robust_list entry;

		cow_work_touch(w, s, at + head.futex_offset);
		at = get(s, at, &entry, sizeof(entry)) ? plain(entry.next) : 0;
	}
}
