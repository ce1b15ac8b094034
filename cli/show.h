/*
 * Images as a person reads them: every file as JSON, the way crit shows it, or the tree of processes.
 */
#ifndef STASIS_CLI_SHOW_H
#define STASIS_CLI_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/json.h"
#include "images/image.h"
#include "lib/err.h"

/*
 * Writes an image file, or all of a folder (one object, file names are its keys). With tree, path is a folder,
 * and its process tree is written. What is damaged is shown as far as it goes, and is an error in the end.
 */
must_check int show_images(const char *path, bool tree, FILE *out, struct err *e);

/* How a field is shown; the table is made from the .proto files by formats.awk. */
enum format {
	FORMAT_NONE,
	FORMAT_HEX,
	FORMAT_FLAGS,
	FORMAT_DICT,
	FORMAT_DEV,
	FORMAT_ODEV,
	FORMAT_IPADD,
	FORMAT_CONV
};

struct field_format {
	const char *message, *field;
	enum format format;
	const char *table; /* of names, for FORMAT_FLAGS and FORMAT_DICT */
};

/* NULL: as it is. */
const struct field_format *show_format(const char *message, const char *field);
/* The name of a value, NULL when it has none. */
const char *show_name(const char *table, uint64_t value);
/* "PROT_READ | PROT_WRITE | 0x100". Returns buf. */
const char *show_flags(char *buf, size_t size, const char *table, uint64_t value);

/* A message as an object: absent fields and empty lists are left out. Goes on with what follows the message. */
void show_fields(struct json *j, const ProtobufCMessage *m, bool hex);
/* The bytes that follow a record in the file. */
must_check int show_extra(struct json *j, struct image *i, const ProtobufCMessage *m,
			  struct err *e);

must_check int show_tree(int dir_fd, FILE *out, struct err *e);

#endif
