/*
 * Work that is not cut off when we are killed: a process of its own does it, in our memory and with our descriptors. To be used
 * while we have no other threads, whose locks nobody would open any more.
 */
#ifndef STASIS_LIB_APART_H
#define STASIS_LIB_APART_H

#include "lib/err.h"

must_check int apart_run(int (*work)(void *arg, struct err *e), void *arg, struct err *e);

#endif
