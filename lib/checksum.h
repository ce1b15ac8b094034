/* Checksums against accidents (XXH3, 64 bits): damaged disks and files cut short, not somebody who means harm. */
#ifndef STASIS_LIB_CHECKSUM_H
#define STASIS_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

uint64_t checksum(const void *data, size_t size);
/* Of what comes behind something that has the checksum 'before'. */
uint64_t checksum_on(const void *data, size_t size, uint64_t before);

/* The checksum of something that comes in parts; after the end it begins anew. */
struct checksum_parts;
struct checksum_parts *checksum_parts_new(void); /* NULL: no memory */
void checksum_parts_begin(struct checksum_parts *p);
void checksum_parts_add(struct checksum_parts *p, const void *data, size_t size);
uint64_t checksum_parts_end(struct checksum_parts *p);
void checksum_parts_free(struct checksum_parts *p); /* NULL is fine */

/* By which pages are known again, where nobody has to be able to find two that are alike: 128 bits, with a secret. */
struct page_hash {
	uint64_t low, high;
};

struct hash_secret {
	unsigned char bytes[192];
};

struct page_hash hash_page(const struct hash_secret *secret, const void *page);

#endif
