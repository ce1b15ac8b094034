/*
 * dump --lazy-pages: pages that may come later stay where they are. The images are complete without them; then the tree stands
 * still and its pages are given to whoever asks (lazy/give.h), until that says that it has all. Before the first page
 * is asked for, the tree is ours, and runs on when we are told to stop. From then on it may run elsewhere: ours never
 * does, whoever is killed, unless somebody says so by SIGCONT.
 */
#ifndef STASIS_DUMP_LAZY_H
#define STASIS_DUMP_LAZY_H

#include "dump/dump.h"

struct page_run;

must_check int dlazy_check_options(const struct options *opt, struct err *e);
/* Listens, before anything is stopped: sets d->lazy. */
must_check int dlazy_begin(struct dump *d, struct err *e);
void dlazy_close(struct dump *d);
/* Whether the pages of a mapping stay where they are: those with PE_LAZY, as the images know it. */
bool dlazy_keeps(const struct dump *d, const struct vma *v);
/* A run that stays, in the order of addresses. */
must_check int dlazy_add(const struct task *t, const struct page_run *run, struct err *e);
/* Gives them: comes back when all were taken, or d->in_doubt. */
must_check int dlazy_give(struct dump *d, struct err *e);
/* What is to be done about a tree that is in doubt. */
int dlazy_doubt(const struct dump *d, struct err *e);

#endif
