/* The kinds of file systems that mounts of a namespace are made of anew, and how the images call them. */
#ifndef STASIS_IMAGES_FILESYSTEMS_H
#define STASIS_IMAGES_FILESYSTEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "images/ns/mnt.pb-c.h"
#include "lib/namespaces.h"

struct filesystem {
	const char *name; /* as mount(2) calls it */
	Fstype type;
	/* Each mount of it is one of its own: outside has no part in it, or it cannot be made anew. */
	bool own;
	bool contents; /* which are saved */
	/* What it shows is that of such a namespace; NS_COUNT: of the machine. */
	enum ns shows;
};

/* NULL: its contents are not ours to make. */
const struct filesystem *filesystem_by_name(const char *name);
const struct filesystem *filesystem_by_type(uint32_t type);

#endif
