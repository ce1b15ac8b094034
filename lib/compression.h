/* How pages are to be stored: what --compress and --dedup-pages say. */
#ifndef STASIS_LIB_COMPRESSION_H
#define STASIS_LIB_COMPRESSION_H

#include <stdbool.h>

struct codec;	   /* images/codec.h */
struct seen_pages; /* images/seen.h */

struct compression {
	const struct codec *codec; /* NULL: they are not compressed */
	int level;
	bool once;		 /* equal pages are stored once */
	struct seen_pages *seen; /* of the folder that they go to, then */
};

#endif
