/*
 * lz4: the only file that knows liblz4. Levels are those of its command: up to 2 the fast compressor, from 3 on the one
 * that looks harder. What comes out is a bare block, which does not say how long it becomes.
 */
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>

#include "images/codec.h"

enum { FIRST_HC = 3 };

struct compressor {
	int level;
	long long state[]; /* of either compressor */
};

static void *begin(int level)
{
	int size = level < FIRST_HC ? LZ4_sizeofState() : LZ4_sizeofStateHC();
	struct compressor *c = malloc(sizeof(*c) + size);

	if (c)
		c->level = level;
	return c;
}

static void end(void *compressor)
{
	free(compressor);
}

static size_t compress(void *compressor, void *to, size_t room, const void *from, size_t size)
{
	struct compressor *c = compressor;

	if (c->level < FIRST_HC)
		return LZ4_compress_fast_extState(c->state, from, to, (int)size, (int)room, 1);
	return LZ4_compress_HC_extStateHC(c->state, from, to, (int)size, (int)room, c->level);
}

/* It needs nothing to expand with. */
static void *open_expander(void)
{
	static char nothing;

	return &nothing;
}

static void close_expander(void *expander)
{
	(void)expander;
}

static ssize_t expand(void *expander, void *to, size_t room, const void *from, size_t size)
{
	(void)expander;
	return LZ4_decompress_safe(from, to, (int)size, (int)room);
}

const struct codec lz4_codec = {
	.name = "lz4",
	.level_min = 1,
	.level_max = LZ4HC_CLEVEL_MAX,
	.level_default = 1,
	.begin = begin,
	.end = end,
	.compress = compress,
	.open = open_expander,
	.close = close_expander,
	.expand = expand,
};
