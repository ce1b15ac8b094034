/* An address that moves from one machine to another, as DEV/ADDRESS or DEV/ADDRESS/PREFIX. */
#ifndef STASIS_LIB_NETLINK_ADDRESS_H
#define STASIS_LIB_NETLINK_ADDRESS_H

#include <stddef.h>

#include "lib/err.h"

/* It has to be there: the same with its prefix, into buf. */
must_check int address_find(const char *text, char *buf, size_t size, struct err *e);
/* One that is there already stays: 1. */
must_check int address_put_up(const char *text, struct err *e);
/* One that is gone already is fine. */
must_check int address_take_down(const char *text, struct err *e);
/* Tells the neighbours where it is now. */
must_check int address_announce(const char *text, struct err *e);

#endif
