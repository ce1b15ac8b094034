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

/* The name of a value, NULL when it has none. */
const char *show_name(const char *table, uint64_t value);
/* "PROT_READ | PROT_WRITE | 0x100". Returns buf. */
const char *show_flags(char *buf, size_t size, const char *table, uint64_t value);

/* The fields of a message into an object that has been begun; absent ones and empty lists are left out. */
void show_fields(struct json *j, const ProtobufCMessage *m, bool hex);
/* The bytes that follow a record in the file. */
must_check int show_extra(struct json *j, struct image *i, const ProtobufCMessage *m,
			  struct err *e);

must_check int show_tree(int dir_fd, FILE *out, struct err *e);
/* The mounts of all namespaces that were saved. */
must_check int show_mounts(int dir_fd, FILE *out, struct err *e);

#endif
