/* JSON written as it comes; see json.h. */
#include "cli/json.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

static void new_line(struct json *j)
{
	fputc('\n', j->out);
	for (unsigned int n = 0; n < j->depth; n++)
		fputs("    ", j->out);
}

/* How many bytes the UTF-8 character here has, 0 when it is none. */
static size_t utf8_size(const unsigned char *c, size_t left)
{
	size_t size = *c < 0x80 ? 1 :
		      *c < 0xc2 ? 0 :
		      *c < 0xe0 ? 2 :
		      *c < 0xf0 ? 3 :
		      *c < 0xf5 ? 4 :
				  0;

	if (size > left)
		return 0;
	for (size_t n = 1; n < size; n++)
		if ((c[n] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, surrogates, and what lies beyond the last character. */
	if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] >= 0xa0) ||
	    (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] >= 0x90))
		return 0;
	return size;
}

static void put_string(struct json *j, const unsigned char *c, size_t left)
{
	size_t size;

	fputc('"', j->out);
	for (; left; c += size, left -= size) {
		size = utf8_size(c, left);
		if (!size) {
			fputs("\\ufffd", j->out);
			size = 1;
		} else if (*c < 0x20 || *c == 0x7f) {
			fprintf(j->out, "\\u%04x", *c);
		} else if (*c == 0xc2 && c[1] <= 0x9f) { /* controls to terminals, too */
			fprintf(j->out, "\\u%04x", c[1]);
		} else {
			if (*c == '"' || *c == '\\')
				fputc('\\', j->out);
			fwrite(c, 1, size, j->out);
		}
	}
	fputc('"', j->out);
}

static void put_key(struct json *j, const char *key)
{
	if (j->filled)
		fputc(',', j->out);
	if (j->depth)
		new_line(j);
	j->filled = true;
	if (!key)
		return;
	put_string(j, (const unsigned char *)key, strlen(key));
	fputs(": ", j->out);
}

void json_begin(struct json *j, const char *key, char bracket)
{
	put_key(j, key);
	fputc(bracket, j->out);
	j->depth++;
	j->filled = false;
}

void json_end(struct json *j, char bracket)
{
	j->depth--;
	if (j->filled)
		new_line(j);
	fputc(bracket, j->out);
	j->filled = true;
	if (!j->depth)
		fputc('\n', j->out);
}

void json_string(struct json *j, const char *key, const void *text, size_t size)
{
	put_key(j, key);
	put_string(j, text, size);
}

void json_plain(struct json *j, const char *key, const char *fmt, ...)
{
	va_list ap;

	put_key(j, key);
	va_start(ap, fmt);
	vfprintf(j->out, fmt, ap);
	va_end(ap);
}

void json_base64(struct json *j, const char *key, const void *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *c = data;

	put_key(j, key);
	fputc('"', j->out);
	for (; size; c += 3) {
		size_t n = size < 3 ? size : 3;
		uint32_t bits = c[0] << 16 | (n > 1 ? c[1] : 0) << 8 | (n > 2 ? c[2] : 0);

		fputc(digits[bits >> 18], j->out);
		fputc(digits[bits >> 12 & 63], j->out);
		fputc(n > 1 ? digits[bits >> 6 & 63] : '=', j->out);
		fputc(n > 2 ? digits[bits & 63] : '=', j->out);
		size -= n;
	}
	fputc('"', j->out);
}
