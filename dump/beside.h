/*
 * Looking at the layout (track_look) by a second thread, while this one saves pages. For smaps the kernel walks through all
 * pages, which takes about as long as to save one in a hundred.
 */
#ifndef STASIS_DUMP_BESIDE_H
#define STASIS_DUMP_BESIDE_H

#include "dump/dump.h"

struct beside;

/* NULL: no thread can be had, and nothing is looked at. The tracks must stay as they are until the end. */
struct beside *beside_begin(struct dump *d);
/* Waits for it; the tracks have the new layout. Those that failed keep theirs, and count as not looked at. NULL is fine. */
void beside_end(struct dump *d, struct beside *b);

#endif
