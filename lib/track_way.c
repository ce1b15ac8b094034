/* How written pages are told from others; see track_way.h. */
#include "lib/track_way.h"

#include "lib/kernel.h"
#include "lib/soft_dirty.h"

enum track_way track_way(void)
{
	if (kernel_has(KERNEL_PAGEMAP_SCAN) && kernel_has(KERNEL_UFFD_WP_ASYNC))
		return TRACK_UFFD;
	return soft_dirty_works() ? TRACK_SOFT_DIRTY : TRACK_NONE;
}
