/*
 * Messages as JSON, by what protobuf-c knows of them: enums by name, bytes in base64, and fields that a
 * person would not want as a decimal number in the form that the .proto file asks for.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "cli/show.h"
#include "lib/own.h"

enum format {
	FORMAT_NONE,
	FORMAT_HEX,
	FORMAT_FLAGS,
	FORMAT_DICT,
	FORMAT_DEV,
	FORMAT_ODEV,
	FORMAT_IPADD,
	FORMAT_CONV,
};

struct field_format {
	const char *message, *field;
	enum format format;
	const char *table; /* of names, for FORMAT_FLAGS and FORMAT_DICT */
};

/* Made from the .proto files by formats.awk, sorted. */
static const struct field_format formats[] = {
#include "cli/formats.inc"
};

static int compare_formats(const void *a, const void *b)
{
	const struct field_format *x = a, *y = b;
	int r = strcmp(x->message, y->message);

	return r ? r : strcmp(x->field, y->field);
}

/* NULL: as it is. */
static const struct field_format *find_format(const char *message, const char *field)
{
	const struct field_format key = { .message = message, .field = field };

	return bsearch(&key, formats, ARRAY_SIZE(formats), sizeof(key), compare_formats);
}

/* A field of a message: where its value is and how it is to be shown. */
struct shown {
	const ProtobufCFieldDescriptor *field;
	const struct field_format *format;
	bool hex;
	const void *value; /* one element, if it is repeated */
	const char *key;   /* NULL in a list */
};

static uint64_t unsigned_value(const struct shown *s)
{
	switch (s->field->type) {
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return *(const uint64_t *)s->value;
	default:
		return *(const uint32_t *)s->value;
	}
}

static bool is_signed(ProtobufCType type)
{
	return type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
	       type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_INT64 ||
	       type == PROTOBUF_C_TYPE_SINT64 || type == PROTOBUF_C_TYPE_SFIXED64;
}

static void put_text(struct json *j, const char *key, const char *text)
{
	json_string(j, key, text, strlen(text));
}

static void show_number(struct json *j, const struct shown *s)
{
	enum format format = s->format ? s->format->format : FORMAT_NONE;
	uint64_t value = unsigned_value(s);
	const char *name;
	char text[512];

	if (format == FORMAT_FLAGS) {
		put_text(j, s->key, show_flags(text, sizeof(text), s->format->table, value));
	} else if (format == FORMAT_DICT && (name = show_name(s->format->table, value))) {
		put_text(j, s->key, name);
	} else if (format == FORMAT_DEV) {
		snprintf(text, sizeof(text), "%lu:%lu", value >> 20, value & 0xfffff);
		put_text(j, s->key, text);
	} else if (format == FORMAT_ODEV) {
		snprintf(text, sizeof(text), "%u:%u", major(value), minor(value));
		put_text(j, s->key, text);
	} else if (format == FORMAT_HEX || s->hex) {
		snprintf(text, sizeof(text), "0x%lx", value);
		put_text(j, s->key, text);
	} else if (!is_signed(s->field->type)) {
		json_plain(j, s->key, "%lu", value);
	} else if (s->field->type == PROTOBUF_C_TYPE_INT64 ||
		   s->field->type == PROTOBUF_C_TYPE_SINT64 ||
		   s->field->type == PROTOBUF_C_TYPE_SFIXED64) {
		json_plain(j, s->key, "%ld", (int64_t)value);
	} else {
		json_plain(j, s->key, "%d", (int32_t)value);
	}
}

static void show_enum(struct json *j, const struct shown *s)
{
	int value = *(const int *)s->value;
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(s->field->descriptor, value);

	if (v)
		put_text(j, s->key, v->name);
	else
		json_plain(j, s->key, "%d", value);
}

/* Quoted-printable: readable where it can be, and exact. */
static void show_quoted(struct json *j, const char *key, const ProtobufCBinaryData *b)
{
	own_mem char *text = malloc(b->len * 3 + 1);
	size_t used = 0;

	if (!text)
		return json_base64(j, key, b->data, b->len);
	for (size_t n = 0; n < b->len; n++) {
		if (isprint(b->data[n]) && b->data[n] != '=')
			text[used++] = b->data[n];
		else
			used += sprintf(text + used, "=%02X", b->data[n]);
	}
	json_string(j, key, text, used);
}

static void show_value(struct json *j, const struct shown *s)
{
	const ProtobufCBinaryData *bytes = s->value;
	bool hex = s->hex || (s->format && s->format->format == FORMAT_HEX);

	switch (s->field->type) {
	case PROTOBUF_C_TYPE_STRING:
		put_text(j, s->key, *(char *const *)s->value);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		if (s->format && s->format->format == FORMAT_CONV)
			show_quoted(j, s->key, bytes);
		else
			json_base64(j, s->key, bytes->data, bytes->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		json_begin(j, s->key, '{');
		show_fields(j, *(ProtobufCMessage *const *)s->value, hex);
		json_end(j, '}');
		break;
	case PROTOBUF_C_TYPE_BOOL:
		json_plain(j, s->key, "%s",
			   *(const protobuf_c_boolean *)s->value ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		show_enum(j, s);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		json_plain(j, s->key, "%.9g", *(const float *)s->value);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		json_plain(j, s->key, "%.17g", *(const double *)s->value);
		break;
	default:
		show_number(j, s);
	}
}

static size_t element_size(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	default:
		return 4;
	}
}

static void show_list(struct json *j, struct shown *s, size_t count)
{
	const char *list = *(char *const *)s->value, *key = s->key;
	char text[INET6_ADDRSTRLEN];

	json_begin(j, key, '[');
	s->key = NULL;
	/* Words in network order: an address is one, or four. */
	if (s->format && s->format->format == FORMAT_IPADD && (count == 1 || count == 4)) {
		inet_ntop(count == 1 ? AF_INET : AF_INET6, list, text, sizeof(text));
		put_text(j, NULL, text);
		count = 0;
	}
	for (size_t n = 0; n < count; n++) {
		s->value = list + n * element_size(s->field->type);
		show_value(j, s);
	}
	json_end(j, ']');
}

/* Strings and messages are there when their pointer is; the rest has a field that says so. */
static bool is_present(const ProtobufCFieldDescriptor *f, const char *m)
{
	if (f->label != PROTOBUF_C_LABEL_OPTIONAL)
		return true;
	if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)(m + f->offset) != NULL;
	return *(const protobuf_c_boolean *)(m + f->quantifier_offset);
}

void show_fields(struct json *j, const ProtobufCMessage *m, bool hex)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const char *base = (const char *)m;

	for (unsigned int n = 0; n < d->n_fields; n++) {
		const ProtobufCFieldDescriptor *f = &d->fields[n];
		struct shown s = { .field = f, .hex = hex, .key = f->name };
		size_t count;

		s.format = find_format(d->name, f->name);
		s.value = base + f->offset;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			count = *(const size_t *)(base + f->quantifier_offset);
			if (count)
				show_list(j, &s, count);
		} else if (is_present(f, base)) {
			show_value(j, &s);
		}
	}
}
