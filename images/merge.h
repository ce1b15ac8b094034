/*
 * A folder of a chain, made anew so that it needs fewer others: every page that lies in folders between it and the
 * one that it is to stand on is copied. The contents of both are the same, and so are their ids, so what was made on
 * top of the old one may stand on the new one.
 */
#ifndef STASIS_IMAGES_MERGE_H
#define STASIS_IMAGES_MERGE_H

#include "lib/compression.h"
#include "lib/err.h"

/*
 * Into the empty folder 'to', which is complete and on disk then. Its link 'parent' leads to the folder of the chain that
 * it stands on; without one it stands on none. What is copied is held against its checksums before.
 */
must_check int merge_folder(int from, int to, struct compression how, struct err *e);

#endif
