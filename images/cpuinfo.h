/*
 * cpuinfo.img: what the processor of the dump could do, and whether this one can too (--cpu-cap).
 */
#ifndef STASIS_IMAGES_CPUINFO_H
#define STASIS_IMAGES_CPUINFO_H

#include "lib/err.h"

must_check int cpuinfo_image_write(int images_fd, struct err *e);
/*
 * Compares as far as caps (CPU_CAP_* of lib/options.h) asks. A missing file is an error, as are
 * images of another architecture.
 */
must_check int cpuinfo_image_check(int images_fd, unsigned caps, struct err *e);

#endif
