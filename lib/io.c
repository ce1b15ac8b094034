/* Reading and writing whole things; see io.h. */
#include "lib/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/own.h"

int io_read(int fd, void *buf, size_t size, const char *what, struct err *e)
{
	return io_pread(fd, buf, size, -1, e) < 0 ? err_on(e, "%s", what) : 0;
}

/* at < 0: from the descriptor's own position. */
int io_pread(int fd, void *buf, size_t size, off_t at, struct err *e)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = at < 0 ? read(fd, (char *)buf + done, size - done) :
				     pread(fd, (char *)buf + done, size - done, at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			return err_code(e, ENODATA, "it is cut short: %zu bytes where %zu belong",
					done, size);
		done += n;
	}
	return 0;
}

int io_write(int fd, const void *buf, size_t size, const char *what, struct err *e)
{
	return io_pwrite(fd, buf, size, -1, e) < 0 ? err_on(e, "%s", what) : 0;
}

int io_pwrite(int fd, const void *buf, size_t size, off_t at, struct err *e)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = at < 0 ? write(fd, (const char *)buf + done, size - done) :
				     pwrite(fd, (const char *)buf + done, size - done, at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "write");
		done += n;
	}
	return 0;
}

int io_slurp(int dir_fd, const char *path, char **ret, size_t *ret_size, struct err *e)
{
	size_t size = 0, room = 4096;
	own_mem char *buf = malloc(room + 1);
	own_fd fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	if (!buf)
		return err_sys(e, "memory for '%s'", path);
	for (;;) {
		ssize_t n = read(fd, buf + size, room - size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read '%s'", path);
		if (n == 0)
			break;
		size += n;
		if (size == room) {
			char *more = realloc(buf, room * 2 + 1);

			if (!more)
				return err_sys(e, "memory for '%s'", path);
			buf = more;
			room *= 2;
		}
	}
	buf[size] = 0;
	*ret = take_mem(buf);
	if (ret_size)
		*ret_size = size;
	return 0;
}

int io_put(int dir_fd, const char *path, const char *text, struct err *e)
{
	own_fd fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	if (write(fd, text, strlen(text)) < 0)
		return err_sys(e, "write '%s' to '%s'", text, path);
	return 0;
}

int io_grow(void *array, size_t count, size_t size, struct err *e)
{
	void **p = array;
	void *more;

	/* Room is always the power of two at or above count, 8 at least. */
	if (count >= 8 ? (count & (count - 1)) != 0 : count != 0)
		return 0;
	more = realloc(*p, (count >= 8 ? count * 2 : 8) * size);
	if (!more)
		return err_sys(e, "memory for %zu elements", count);
	*p = more;
	return 0;
}

void io_allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

uint64_t io_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ULL + now.tv_nsec / 1000;
}
