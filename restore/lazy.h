/*
 * --lazy: private anonymous memory is only mapped. Its pages come when they are touched, and the rest behind that, from a process
 * that goes on when we are gone (lazy/server.h).
 *
 * --lazy-pages: the same, but the process that brings them is 'lazy-pages', ours or CRIU's (lazy/socket.h), and they need not be in
 * the images. What may be lazy is lazy then: nobody tells the other side which of it is.
 *
 * What cannot be lazy has its pages before the tree runs, as without it: shared memory, private mappings of files (the kernel
 * has userfaultfds for none of their pages), huge pages, what is locked, and what a child shares with its parent
 * copy-on-write: pages that come later could be shared no more.
 */
#ifndef STASIS_RESTORE_LAZY_H
#define STASIS_RESTORE_LAZY_H

#include "images/pages.h"
#include "restore/restore.h"

/* --lazy, or --lazy-pages: pages come from a process of ours, or from one that was started before. */
bool rlazy_wanted(const struct options *opt);
must_check int rlazy_check_options(const struct options *opt, struct err *e);
/* When it is known who is born of whom: which mappings are lazy. */
must_check int rlazy_decide(struct restore *r, struct err *e);
/* Whether the pages of this mapping come later. */
bool rlazy_covers(const struct rtask *t, const VmaEntry *v);
/* The same of a run of pages in it. */
bool rlazy_covers_run(const struct rtask *t, const VmaEntry *v, const struct stored_run *run);
/* All is mapped, nobody has touched it: from here on pages are brought. */
must_check int rlazy_begin(struct restore *r, struct err *e);
/* The last before the tree is let go: whoever brings them is there, and goes on without us. */
must_check int rlazy_commit(struct restore *r, struct err *e);
/* At the very end, however it went. */
void rlazy_close(struct restore *r);

#endif
