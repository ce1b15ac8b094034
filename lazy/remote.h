/*
 * Pages from a page server: 'dump --lazy-pages', which has the process, or 'page-server --lazy-pages', which has images. A
 * connection that is lost is made again whenever somebody asks; meanwhile nothing can be had.
 */
#ifndef STASIS_LAZY_REMOTE_H
#define STASIS_LAZY_REMOTE_H

#include "lazy/source.h"
#include "lib/options.h"

/* Connects. opt has to stay. */
must_check int source_remote_begin(struct lazy_source **ret, const struct options *opt,
				   struct err *e);

#endif
