/* How pages are to be compressed: what --compress says. */
#ifndef STASIS_LIB_COMPRESSION_H
#define STASIS_LIB_COMPRESSION_H

struct codec; /* images/codec.h */

struct compression {
	const struct codec *codec; /* NULL: they are stored as they are */
	int level;
};

#endif
