/* The one file that knows libxxhash; see checksum.h. */
#include "lib/checksum.h"

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
