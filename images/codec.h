/*
 * Ways to compress pages. One file each knows its library: codec_zstd.c, codec_lz4.c; images say by name which one
 * they were written with.
 */
#ifndef STASIS_IMAGES_CODEC_H
#define STASIS_IMAGES_CODEC_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/compression.h"
#include "lib/err.h"

struct codec {
	const char *name;
	int level_min, level_max, level_default;
	/* What one thread compresses with, again and again; NULL: no memory. */
	void *(*begin)(int level);
	void (*end)(void *compressor);
	/* How many bytes came out; 0: more than room. */
	size_t (*compress)(void *compressor, void *to, size_t room, const void *from, size_t size);
	/* What one thread expands with; NULL: no memory. */
	void *(*open)(void);
	void (*close)(void *expander);
	/* How many bytes came out; -1: it is damaged, or has more than room. */
	ssize_t (*expand)(void *expander, void *to, size_t room, const void *from, size_t size);
};

extern const struct codec *const codecs[]; /* the default first, NULL at the end */

const struct codec *codec_find(const char *name);
/* CODEC[:LEVEL], as of --compress; NULL: the default. */
must_check int compression_parse(struct compression *ret, const char *text, struct err *e);

#endif
