/* The table of image kinds, and their file names; see kinds.def. */
#include "images/kinds.h"

#include <stdio.h>
#include <string.h>

/* Declared from the table, so that no list of generated headers has to be kept. */
#define IMAGE(kind, name, magic_name, magic, framing, message) \
	extern const ProtobufCMessageDescriptor message##__descriptor;
#define PAIR(kind, name, magic_name, magic, first, rest)             \
	extern const ProtobufCMessageDescriptor first##__descriptor; \
	extern const ProtobufCMessageDescriptor rest##__descriptor;
#define RAW(kind, name)
#include "images/kinds.def"
#undef IMAGE
#undef PAIR
#undef RAW

#define PAIR(kind, name, magic_name, magic, first, rest) \
	{ name, magic_name, magic, FRAME_MANY, &first##__descriptor, &rest##__descriptor },
#define IMAGE(kind, name, magic_name, magic, framing, m) \
	{ name, magic_name, magic, framing, &m##__descriptor, &m##__descriptor },
#define RAW(kind, name) { name, "RAW", 0, FRAME_RAW, NULL, NULL },
static const struct image_info infos[IMG_KINDS] = {
#include "images/kinds.def"
};

const struct image_info *image_info(enum image_kind kind)
{
	return &infos[kind];
}

bool image_is_single(enum image_kind kind)
{
	enum image_framing f = infos[kind].framing;

	return f == FRAME_ONE || f == FRAME_INVENTORY || f == FRAME_SERVICE_ONE;
}

const char *image_name(char *buf, enum image_kind kind, uint64_t id)
{
	snprintf(buf, IMAGE_NAME_MAX, infos[kind].file_name, id);
	return buf;
}

bool image_name_parse(const char *name, enum image_kind *ret_kind, uint64_t *ret_id)
{
	char again[IMAGE_NAME_MAX];

	for (int k = 0; k < IMG_KINDS; k++) {
		unsigned long id = 0;

		/* Written again and compared: sscanf alone overlooks what stands behind the number. */
		sscanf(name, infos[k].file_name, &id);
		if (strcmp(name, image_name(again, k, id)) != 0)
			continue;
		*ret_kind = k;
		*ret_id = id;
		return true;
	}
	return false;
}
