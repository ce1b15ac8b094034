/* Messages on the way; see log.h. */
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static struct {
	int fd;
	int level;
	struct timespec start;
} state = { .fd = STDERR_FILENO, .level = LOG_LEVEL_WARN };

void log_setup(int fd, int level)
{
	state.fd = fd;
	state.level = level;
	clock_gettime(CLOCK_MONOTONIC, &state.start);
}

int log_level(void)
{
	return state.level;
}

int log_fd(void)
{
	return state.fd;
}

/* "(SS.UUUUUU) " once the level asks for information: the shape that tools know. */
static int put_time(char *buf, size_t size)
{
	struct timespec now;
	long us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	us = (now.tv_sec - state.start.tv_sec) * 1000000 +
	     (now.tv_nsec - state.start.tv_nsec) / 1000;
	return snprintf(buf, size, "(%02ld.%06ld) ", us / 1000000, us % 1000000);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	size_t n = 0;
	va_list ap;
	int r;

	if ((int)level > state.level)
		return;
	if (state.level >= LOG_LEVEL_INFO)
		n = put_time(line, sizeof(line));
	if (level == LOG_LEVEL_ERROR)
		n += snprintf(line + n, sizeof(line) - n, "Error: ");
	else if (level == LOG_LEVEL_WARN)
		n += snprintf(line + n, sizeof(line) - n, "Warn: ");
	va_start(ap, fmt);
	r = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (r < 0)
		return;
	n += r;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (n == 0 || line[n - 1] != '\n')
		line[n++] = '\n';
	if (write(state.fd, line, n) < 0)
		return; /* a log that cannot be written must not stop the work */
}
