/* The rules of nftables of the network namespace that we are in, as text. */
#ifndef STASIS_LIB_NFT_RULES_H
#define STASIS_LIB_NFT_RULES_H

#include "lib/err.h"

/* "": none, or a kernel without nftables. Refuses what the text does not tell in full. The caller frees it. */
must_check int nft_rules_read(char **ret, struct err *e);
must_check int nft_rules_write(const char *rules, struct err *e);

#endif
