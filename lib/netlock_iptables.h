/* Locks that CRIU has left by iptables: a rule for each connection and direction. stasis itself makes none. */
#ifndef STASIS_LIB_NETLOCK_IPTABLES_H
#define STASIS_LIB_NETLOCK_IPTABLES_H

#include "lib/netlock.h"

/* Removes those of these connections. There may be none, nor any iptables: then there is nothing to be done. */
must_check int netlock_iptables_remove(const struct netlock_pair *pairs, size_t count,
				       struct err *e);

#endif
