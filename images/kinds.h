/* The kinds of files in an image folder, as kinds.def lists them. */
#ifndef STASIS_IMAGES_KINDS_H
#define STASIS_IMAGES_KINDS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum image_kind {
#define IMAGE(kind, ...) IMG_##kind,
#define PAIR(kind, ...) IMG_##kind,
#define RAW(kind, ...) IMG_##kind,
#include "images/kinds.def"
#undef IMAGE
#undef PAIR
#undef RAW
	IMG_KINDS,
};

enum image_framing {
	FRAME_MANY,	   /* IMAGE_COMMON, magic, records */
	FRAME_ONE,	   /* the same with exactly one record */
	FRAME_INVENTORY,   /* magic, one record */
	FRAME_SERVICE,	   /* IMAGE_SERVICE, magic, records */
	FRAME_SERVICE_ONE, /* the same with exactly one record */
	FRAME_DATA,	   /* IMAGE_COMMON, magic, one record, then what is no record */
	FRAME_RAW,	   /* no magic, no records */
};

#define IMAGE_COMMON 0x54564319U
#define IMAGE_SERVICE 0x55105940U

struct image_info {
	const char *file_name; /* printf format with one number, or none */
	const char *magic_name;
	uint32_t magic;
	enum image_framing framing;
	const ProtobufCMessageDescriptor *first; /* NULL when raw */
	const ProtobufCMessageDescriptor *rest;	 /* the same but for page maps and ghost files */
};

const struct image_info *image_info(enum image_kind kind);
bool image_is_single(enum image_kind kind);

#define IMAGE_NAME_MAX 64
/* Writes "core-12.img" into buf, which has IMAGE_NAME_MAX bytes. Returns buf. */
const char *image_name(char *buf, enum image_kind kind, uint64_t id);
/* Which kind, and which id, has a file of this name? False when none has. */
bool image_name_parse(const char *name, enum image_kind *ret_kind, uint64_t *ret_id);

#endif
