/*
 * JSON written as it comes, indented as a person likes it, so that an image of any size needs no memory.
 * Numbers have 64 bits, with or without sign, which is why no library does it: most know doubles or signed ones.
 */
#ifndef STASIS_CLI_JSON_H
#define STASIS_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned int depth;
	bool filled; /* the innermost object or array has something in it */
};

/* Every value may have a key, which it needs inside objects and must not have inside arrays (NULL). */
void json_begin(struct json *j, const char *key, char bracket);
void json_end(struct json *j, char bracket);
/* Text that may be any bytes: what is no UTF-8 becomes U+FFFD. */
void json_string(struct json *j, const char *key, const void *text, size_t size);
void json_base64(struct json *j, const char *key, const void *data, size_t size);
/* A number or a word (true), as printf makes it. */
void json_plain(struct json *j, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
