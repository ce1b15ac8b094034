/* The table of codecs; see codec.h. */
#include "images/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct codec zstd_codec, lz4_codec;

const struct codec *const codecs[] = { &zstd_codec, &lz4_codec, NULL };

const struct codec *codec_find(const char *name)
{
	for (int i = 0; codecs[i]; i++)
		if (strcmp(codecs[i]->name, name) == 0)
			return codecs[i];
	return NULL;
}

/* "zstd and lz4" */
static const char *names(char *buf, size_t size)
{
	size_t n = 0;

	for (int i = 0; codecs[i] && n < size; i++)
		n += snprintf(buf + n, size - n, "%s%s", i ? " and " : "", codecs[i]->name);
	return buf;
}

int compression_parse(struct compression *ret, const char *text, struct err *e)
{
	const char *colon = text ? strchrnul(text, ':') : NULL;
	const struct codec *codec = codecs[0];
	char name[16], *end;
	long level;

	if (text) {
		snprintf(name, sizeof(name), "%.*s", (int)(colon - text), text);
		codec = codec_find(name);
	}
	if (!codec)
		return err_say(e, "'%s' is no way to compress: %s are, with :LEVEL or without",
			       text, names(name, sizeof(name)));
	level = codec->level_default;
	if (text && *colon) {
		level = strtol(colon + 1, &end, 10);
		if (end == colon + 1 || *end || level < codec->level_min ||
		    level > codec->level_max)
			return err_say(e, "'%s' is not a level of %s: %d to %d are", colon + 1,
				       codec->name, codec->level_min, codec->level_max);
	}
	ret->codec = codec;
	ret->level = level;
	return 0;
}
