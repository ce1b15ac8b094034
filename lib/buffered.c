/* Small parts of files; see buffered.h. */
#include "lib/buffered.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct buffered {
	int fd;
	size_t room, start,
		end; /* what is between start and end was read and not given, or not written yet */
	char buf[];
};

struct buffered *buffered_new(int fd, size_t room)
{
	struct buffered *b = malloc(sizeof(*b) + room);

	if (b)
		*b = (struct buffered){ .fd = fd, .room = room };
	return b;
}

int buffered_fd(const struct buffered *b)
{
	return b->fd;
}

static ssize_t read_some(int fd, void *to, size_t size)
{
	ssize_t n;

	do
		n = read(fd, to, size);
	while (n < 0 && errno == EINTR);
	return n;
}

ssize_t buffered_read(struct buffered *b, void *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t held = b->end - b->start, part = held < size - done ? held : size - done;
		ssize_t n;

		memcpy((char *)to + done, b->buf + b->start, part);
		b->start += part;
		done += part;
		if (done == size)
			break;
		b->start = b->end = 0;
		if (size - done >= b->room) {
			n = read_some(b->fd, (char *)to + done, size - done);
			done += n > 0 ? n : 0;
		} else {
			n = read_some(b->fd, b->buf, b->room);
			b->end = n > 0 ? n : 0;
		}
		if (n <= 0)
			return n < 0 ? -1 : (ssize_t)done;
	}
	return done;
}

static int write_all(int fd, const char *from, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		from += n;
		size -= n;
	}
	return 0;
}

int buffered_flush(struct buffered *b)
{
	size_t held = b->end;

	b->end = 0;
	return write_all(b->fd, b->buf, held);
}

int buffered_write(struct buffered *b, const void *from, size_t size)
{
	if (size > b->room - b->end && buffered_flush(b) < 0)
		return -1;
	if (size > b->room)
		return write_all(b->fd, from, size);
	memcpy(b->buf + b->end, from, size);
	b->end += size;
	return 0;
}

int buffered_close(struct buffered *b)
{
	int r = b ? close(b->fd) : 0;

	free(b);
	return r;
}
