/* Messages on the way; see log.h. */
#include "lib/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "lib/own.h"

static struct {
	int fd;
	int level;
	struct timespec start;
	int split_dir;
	const char *split_path; /* NULL: all lines go to fd */
	char held[1024];
	size_t held_size;
	int holding;
	struct log_first *first; /* NULL: nobody wants it */
} state = { .fd = STDERR_FILENO, .level = LOG_LEVEL_WARN, .split_dir = -1 };

void log_setup(int fd, int level)
{
	state.fd = fd;
	state.level = level;
	state.holding = 0;
	clock_gettime(CLOCK_MONOTONIC, &state.start);
	if (state.held_size && write(fd, state.held, state.held_size) < 0)
		return; /* a log that cannot be written must not stop the work */
	state.held_size = 0;
}

void log_hold(int level)
{
	state.level = level;
	state.holding = 1;
}

void log_split(int dir_fd, const char *path)
{
	state.split_dir = dir_fd;
	state.split_path = path;
}

void log_keep_first(struct log_first *first)
{
	state.first = first;
}

int log_level(void)
{
	return state.level;
}

int log_fd(void)
{
	return state.fd;
}

/* "(SS.UUUUUU) " once the level asks for information; zeros before the log is open. */
static int put_time(char *buf, size_t size)
{
	struct timespec now;
	long us = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!state.holding)
		us = (now.tv_sec - state.start.tv_sec) * 1000000 +
		     (now.tv_nsec - state.start.tv_nsec) / 1000;
	return snprintf(buf, size, "(%02ld.%06ld) ", us / 1000000, us % 1000000);
}

static void hold(const char *line, size_t size)
{
	if (state.held_size + size > sizeof(state.held))
		return;
	memcpy(state.held + state.held_size, line, size);
	state.held_size += size;
}

/* Writes the line to the file of the pid that its text starts with. 0 if there is none. */
static int put_split(const char *text, const char *line, size_t size)
{
	char path[4096];
	int pid;

	if (!state.split_path || sscanf(text, "pid %d", &pid) != 1)
		return 0;
	snprintf(path, sizeof(path), "%s.%d", state.split_path, pid);
	own_fd fd = openat(state.split_dir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	return fd >= 0 && write(fd, line, size) == (ssize_t)size;
}

static void keep_first(const char *where, const char *fmt, va_list ap)
{
	struct log_first first;
	size_t size = sizeof(first.line) - 1;
	int n = snprintf(first.line, size, "Error (%s): ", where);
	int more = n < 0 || (size_t)n >= size ? -1 : vsnprintf(first.line + n, size - n, fmt, ap);

	if (more < 0 || state.first->line[0])
		return;
	strcat(first.line, "\n");
	*state.first = first;
}

/* Names come from images and from other people's processes: nothing that a terminal obeys. C1 is U+0080 to U+009F. */
void log_tame(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f))
			*c = '?';
}

void log_line(enum log_level level, const char *where, const char *fmt, ...)
{
	char line[2048];
	size_t n = 0, text;
	va_list ap;
	int r;

	if (level == LOG_LEVEL_ERROR && state.first) {
		va_start(ap, fmt);
		keep_first(where, fmt, ap);
		va_end(ap);
	}
	if ((int)level > state.level)
		return;
	if (state.level >= LOG_LEVEL_INFO)
		n = put_time(line, sizeof(line));
	if (level == LOG_LEVEL_ERROR)
		n += snprintf(line + n, sizeof(line) - n, "Error (%s): ", where);
	else if (level == LOG_LEVEL_WARN)
		n += snprintf(line + n, sizeof(line) - n, "Warn  (%s): ", where);
	text = n;
	va_start(ap, fmt);
	r = vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (r < 0)
		return;
	n += r;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	if (n > text && line[n - 1] == '\n')
		n--;
	line[n] = 0;
	log_tame(line + text);
	line[n++] = '\n';
	if (state.holding)
		hold(line, n);
	else if (!put_split(line + text, line, n) && write(state.fd, line, n) < 0)
		return; /* as above */
}
