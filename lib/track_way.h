/* How pages that were written are told from others here: the first of these that the kernel has. */
#ifndef STASIS_LIB_TRACK_WAY_H
#define STASIS_LIB_TRACK_WAY_H

enum track_way {
	TRACK_NONE,
	TRACK_SOFT_DIRTY, /* lib/soft_dirty.h */
	TRACK_UFFD,	  /* asynchronous write-protection, lib/uffd.h, and PAGEMAP_SCAN, Linux 6.7 */
};

/* Asks the kernel, the first time. Some of the questions start a child, so ask before waiting for children of your own. */
enum track_way track_way(void);

#endif
