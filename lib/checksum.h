/* Checksums against accidents (XXH3, 64 bits): damaged disks and files cut short, not somebody who means harm. */
#ifndef STASIS_LIB_CHECKSUM_H
#define STASIS_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum(const void *data, size_t size);

#endif
