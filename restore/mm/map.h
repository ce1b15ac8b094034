/* What the kinds of mappings have in common: the call that maps, said from a message of the images. */
#ifndef STASIS_RESTORE_MM_MAP_H
#define STASIS_RESTORE_MM_MAP_H

#include <stdbool.h>

#include "restore/memory.h"

#define MAP_DROPPABLE_ 0x8 /* younger than the headers of Debian 12 */

/* Entry that maps v from a descriptor (its number in the task), or anonymously with fd ARG(-1). */
void map_entry(const VmaEntry *v, bool fill, struct plan_arg fd, const char *what, struct plan *p);

#endif
