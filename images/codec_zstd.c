/* zstd: the only file that knows libzstd. */
#include <zstd.h>

#include "images/codec.h"

static void *begin(int level)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();

	if (c && ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level))) {
		ZSTD_freeCCtx(c);
		return NULL;
	}
	return c;
}

static void end(void *compressor)
{
	ZSTD_freeCCtx(compressor);
}

static size_t compress(void *compressor, void *to, size_t room, const void *from, size_t size)
{
	size_t n = ZSTD_compress2(compressor, to, room, from, size);

	return ZSTD_isError(n) ? 0 : n;
}

static void *open_expander(void)
{
	return ZSTD_createDCtx();
}

static void close_expander(void *expander)
{
	ZSTD_freeDCtx(expander);
}

static ssize_t expand(void *expander, void *to, size_t room, const void *from, size_t size)
{
	size_t n = ZSTD_decompressDCtx(expander, to, room, from, size);

	return ZSTD_isError(n) ? -1 : (ssize_t)n;
}

const struct codec zstd_codec = {
	.name = "zstd",
	.level_min = 1,
	.level_max = 22,
	.level_default = 1,
	.begin = begin,
	.end = end,
	.compress = compress,
	.open = open_expander,
	.close = close_expander,
	.expand = expand,
};
