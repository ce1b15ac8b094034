/* The one file that knows libxxhash; see checksum.h. */
#include "lib/checksum.h"

#include "lib/io.h"

#include <xxhash.h>
#include <xxh_x86dispatch.h> /* the widest registers that the processor has: four times as fast */

uint64_t checksum(const void *data, size_t size)
{
	return XXH3_64bits(data, size);
}

uint64_t checksum_on(const void *data, size_t size, uint64_t before)
{
	return XXH3_64bits_withSeed(data, size, before);
}

/* It is the library's own. */
static XXH3_state_t *state_of(struct checksum_parts *p)
{
	return (XXH3_state_t *)p;
}

struct checksum_parts *checksum_parts_new(void)
{
	struct checksum_parts *p = (struct checksum_parts *)XXH3_createState();

	if (p)
		checksum_parts_begin(p);
	return p;
}

void checksum_parts_begin(struct checksum_parts *p)
{
	XXH3_64bits_reset(state_of(p));
}

void checksum_parts_add(struct checksum_parts *p, const void *data, size_t size)
{
	XXH3_64bits_update(state_of(p), data, size);
}

uint64_t checksum_parts_end(struct checksum_parts *p)
{
	uint64_t sum = XXH3_64bits_digest(state_of(p));

	checksum_parts_begin(p);
	return sum;
}

void checksum_parts_free(struct checksum_parts *p)
{
	XXH3_freeState(state_of(p));
}

struct page_hash hash_page(const struct hash_secret *secret, const void *page)
{
	XXH128_hash_t h = XXH3_128bits_withSecret(page, PAGE_SIZE, secret, sizeof(*secret));

	return (struct page_hash){ h.low64, h.high64 };
}
