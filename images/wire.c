/* How deep an encoded message is nested; see wire.h. */
#include "images/wire.h"

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct cursor {
	const uint8_t *at, *end;
};

static bool take_varint(struct cursor *c, uint64_t *ret)
{
	uint64_t value = 0;

	for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
		uint8_t byte = *c->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static bool skip(struct cursor *c, uint64_t size)
{
	if (size > (uint64_t)(c->end - c->at))
		return false;
	c->at += size;
	return true;
}

static bool deeper_than(const ProtobufCMessageDescriptor *d, struct cursor c, int levels)
{
	uint64_t tag, value;

	if (levels == 0)
		return true;
	while (c.at < c.end) {
		const ProtobufCFieldDescriptor *f;

		if (!take_varint(&c, &tag))
			return false;
		switch ((enum wire_type)(tag & 7)) {
		case WIRE_VARINT:
			if (!take_varint(&c, &value))
				return false;
			break;
		case WIRE_64:
			if (!skip(&c, 8))
				return false;
			break;
		case WIRE_32:
			if (!skip(&c, 4))
				return false;
			break;
		case WIRE_BYTES:
			if (!take_varint(&c, &value) || !skip(&c, value))
				return false;
			f = protobuf_c_message_descriptor_get_field(d, tag >> 3);
			if (f && f->type == PROTOBUF_C_TYPE_MESSAGE &&
			    deeper_than(f->descriptor, (struct cursor){ c.at - value, c.at },
					levels - 1))
				return true;
			break;
		default:
			return false;
		}
	}
	return false;
}

bool wire_too_deep(const ProtobufCMessageDescriptor *d, const uint8_t *data, size_t size)
{
	return deeper_than(d, (struct cursor){ data, data + size }, WIRE_DEPTH_MAX);
}
