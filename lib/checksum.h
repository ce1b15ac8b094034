/* Checksums against accidents (XXH3, 64 bits): damaged disks and files cut short, not somebody who means harm. */
#ifndef STASIS_LIB_CHECKSUM_H
#define STASIS_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum(const void *data, size_t size);
/* Of what comes behind something that has the checksum 'before'. */
uint64_t checksum_on(const void *data, size_t size, uint64_t before);

#endif
