/* Soft-dirty bits; see soft_dirty.h. How pages are told by them is in pagemap.c. */
#include "lib/soft_dirty.h"

#include <errno.h>

#include "lib/io.h"
#include "lib/kernel.h"

bool soft_dirty_works(void)
{
	return kernel_has(KERNEL_SOFT_DIRTY);
}

bool soft_dirty_tells(const struct vma *v)
{
	return !(v->flags & (VMA_HT | VMA_SH | VMA_PF | VMA_IO));
}

int soft_dirty_clear(int proc_fd, struct err *e)
{
	/* A kernel without it takes the order and does nothing. */
	if (!soft_dirty_works())
		return err_code(e, ENOSYS, "this kernel has no soft-dirty bits");
	return io_put(proc_fd, "clear_refs", "4", e);
}
