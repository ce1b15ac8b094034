/* Pre-copy: memory is saved in rounds while the tree runs, each into a folder of its own below that of the images. */
#ifndef STASIS_DUMP_PRECOPY_H
#define STASIS_DUMP_PRECOPY_H

#include "dump/dump.h"

/*
 * Chooses how memory is saved (opt->freeze) and does what is to be done for it before the last stop. The tree may be
 * stopped already afterwards; 'parent' in the folder of images leads to the newest round.
 */
must_check int precopy_run(struct dump *d, struct err *e);
/* Removes the folders of the rounds. */
void precopy_undo(struct dump *d);

#endif
