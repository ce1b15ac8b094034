/* The error that travels up; see err.h. */
#include "lib/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = errno ? errno : EIO;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(code));
	e->hint[0] = 0;
	return e->code = -code;
}

int err_say(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->hint[0] = 0;
	return e->code = -EINVAL;
}

int err_code(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	e->hint[0] = 0;
	return e->code = -code;
}

int err_res(struct err *e, long res, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror((int)-res));
	e->hint[0] = 0;
	return e->code = (int)res;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return e->code;
}

int err_on(struct err *e, const char *fmt, ...)
{
	char was[sizeof(e->text)];
	va_list ap;
	int n;

	memcpy(was, e->text, sizeof(was));
	va_start(ap, fmt);
	n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text) - 2) {
		size_t left = sizeof(e->text) - n - 3;

		memcpy(e->text + n, ": ", 3);
		strncat(e->text + n, was, left);
	}
	return e->code;
}

const char *err_text(const struct err *e, char *buf, unsigned long size)
{
	snprintf(buf, size, "%s%s%s", e->text, e->hint[0] ? "; " : "", e->hint);
	log_tame(buf); /* no line breaks either */
	return buf;
}
