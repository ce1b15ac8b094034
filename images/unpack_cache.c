/* Chunks that were expanded a moment ago; see packed.h. What refers to a place tends to refer to what is beside it. */
#include <errno.h>
#include <stdlib.h>

#include "images/packed.h"

enum { SLOTS = 8 };

struct unpack_cache {
	struct unpack_slot slots[SLOTS];
	uint64_t clock;
};

struct unpack_slot *unpack_cache_find(struct unpack_cache **cache, const void *file, uint64_t chunk,
				      struct err *e)
{
	struct unpack_slot *slot;

	if (!*cache)
		*cache = calloc(1, sizeof(**cache));
	if (!*cache) {
		err_code(e, ENOMEM, "memory for compressed pages");
		return NULL;
	}
	slot = (*cache)->slots;
	for (struct unpack_slot *s = slot; s < slot + SLOTS; s++) {
		if (s->file == file && s->chunk == chunk) {
			s->used = ++(*cache)->clock;
			return s;
		}
	}
	for (struct unpack_slot *s = slot; s < (*cache)->slots + SLOTS; s++)
		if (s->used < slot->used)
			slot = s;
	if (!slot->unpacker.data && unpacker_begin(&slot->unpacker, e) < 0)
		return NULL;
	slot->file = NULL;
	slot->used = ++(*cache)->clock;
	return slot;
}

void unpack_cache_free(struct unpack_cache **cache)
{
	for (size_t n = 0; *cache && n < SLOTS; n++)
		unpacker_end(&(*cache)->slots[n].unpacker);
	free(*cache);
	*cache = NULL;
}
