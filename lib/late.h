/*
 * Libraries that few runs need. To load them all, with those that they need themselves, takes longer than everything else that the dump
 * of a small process does, so they are loaded when they are needed.
 */
#ifndef STASIS_LIB_LATE_H
#define STASIS_LIB_LATE_H

#include <stddef.h>

#include "lib/err.h"

/* For a list X(name) X(name)...: members of a structure that has them, and their names. */
#define LATE_MEMBER(name) __typeof__(name) *name;
#define LATE_NAME(name) #name,

/*
 * Fills a structure of count pointers, once. Not to be called for the first time in another mount namespace, whose libraries
 * are not ours.
 */
must_check int late_load(const char *library, const char *const *names, size_t count, void *ret,
			 struct err *e);

#endif
