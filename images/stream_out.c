/*
 * Writing a stream; see stream.h. Nobody waits for ever in a write(): a reader that has gone away, or does not read, is
 * noticed by poll(), and so is that we are to stop. So a pipe is opened anew, since whether writing waits is a property of
 * the open file, which others have too.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "images/stream.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

enum { PIPE_ROOM = 1 << 20, LOOK_MS = 100, DRAIN_LOOK_MS = 2 };

static int refuse_device(int fd, struct err *e)
{
	if (isatty(fd)) {
		err_say(e, "the stream would go to a terminal");
		return err_hint(
			e, "put a program behind it that takes it: '| zstd >FILE', '| ssh ...'");
	}
	return err_say(e,
		       "the stream would go to a device, where it is lost or of no use; it needs a "
		       "pipe, a socket or a file");
}

/* An open file of our own, in which writing does not wait. */
static int open_pipe(struct stream_out *s, int fd, struct err *e)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	s->way = STREAM_TO_PIPE;
	s->fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0 && errno == ENXIO)
		return err_code(e, EPIPE, "nobody reads the stream");
	if (s->fd < 0)
		return err_sys(e, "open the pipe of the stream");
	fcntl(s->fd, F_SETPIPE_SZ, PIPE_ROOM); /* a smaller one works as well */
	return 0;
}

int stream_out_begin(struct stream_out *s, int fd, struct err *e)
{
	struct stat st;

	*s = (struct stream_out){ .fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER };
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat the stream");
	if (S_ISCHR(st.st_mode))
		return refuse_device(fd, e);
	if (S_ISFIFO(st.st_mode))
		return open_pipe(s, fd, e);
	s->way = S_ISSOCK(st.st_mode) ? STREAM_TO_SOCKET : STREAM_TO_FILE;
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return s->fd < 0 ? err_sys(e, "duplicate the descriptor of the stream") : 0;
}

void stream_out_drop(struct stream_out *s)
{
	own_close(&s->fd);
	s->fd = -1;
}

/* --- getting rid of bytes -------------------------------------------------------------------------- */

static int nobody_reads(struct err *e)
{
	return err_code(e, EPIPE, "whoever read the stream has gone away");
}

static int is_stuck(const struct stream_out *s, uint64_t since, struct err *e)
{
	if (!s->patience || io_now_us() - since < s->patience * 1000000ULL)
		return 0;
	err_code(e, ETIMEDOUT, "nobody has read from the stream for %u seconds", s->patience);
	return err_hint(e, "--timeout sets how long is waited");
}

/* One more time that nothing goes out. */
static int look(const struct stream_out *s, uint64_t since, struct err *e)
{
	if (s->go_on && s->go_on(s->arg, e) < 0)
		return e->code;
	return is_stuck(s, since, e);
}

static int await_room(const struct stream_out *s, uint64_t since, struct err *e)
{
	struct pollfd p = { .fd = s->fd, .events = POLLOUT };
	int n = poll(&p, 1, LOOK_MS);

	if (n < 0 && errno != EINTR)
		return err_sys(e, "wait for the reader of the stream");
	if (n > 0 && p.revents & (POLLERR | POLLHUP))
		return nobody_reads(e);
	return n > 0 ? 0 : look(s, since, e);
}

static ssize_t write_some(const struct stream_out *s, struct iovec *vec, size_t count)
{
	struct msghdr m = { .msg_iov = vec, .msg_iovlen = count };

	if (s->way == STREAM_TO_SOCKET)
		return sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	return writev(s->fd, vec, count);
}

/* So many bytes are out of the way. */
static void advance(struct iovec *vec, size_t count, size_t done)
{
	for (size_t i = 0; i < count; i++) {
		size_t part = done < vec[i].iov_len ? done : vec[i].iov_len;

		vec[i].iov_base = (char *)vec[i].iov_base + part;
		vec[i].iov_len -= part;
		done -= part;
	}
}

/* Not before its turn, if there is a bandwidth to be kept. */
static int await_turn(struct stream_out *s, size_t size, struct err *e)
{
	uint64_t now = io_now_us();

	if (s->sent)
		__atomic_add_fetch(s->sent, size, __ATOMIC_RELAXED);
	if (!s->bandwidth)
		return 0;
	while (s->slot_us > now) {
		if (s->go_on && s->go_on(s->arg, e) < 0)
			return e->code;
		usleep(s->slot_us - now < LOOK_MS * 1000 ? s->slot_us - now : LOOK_MS * 1000);
		now = io_now_us();
	}
	s->slot_us = (s->slot_us ? s->slot_us : now) + size * 1000000 / s->bandwidth;
	if (s->slot_us < now) /* what was not used then is not caught up with */
		s->slot_us = now;
	return 0;
}

static int put(struct stream_out *s, struct iovec *vec, size_t count, struct err *e)
{
	uint64_t since;
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += vec[i].iov_len;
	if (await_turn(s, left, e) < 0)
		return e->code;
	since = io_now_us();
	while (left) {
		ssize_t n = write_some(s, vec, count);

		if (n >= 0) {
			advance(vec, count, n);
			left -= n;
			since = io_now_us();
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return nobody_reads(e);
		} else if (errno != EAGAIN && errno != EINTR) {
			return err_sys(e, "write the stream");
		} else if (await_room(s, since, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

int stream_head_write(struct stream_out *s, struct err *e)
{
	struct stream_head head = { .version = STREAM_VERSION, .piece = STREAM_PIECE };
	struct iovec vec = { &head, sizeof(head) };

	memcpy(head.magic, STREAM_MAGIC, sizeof(head.magic));
	s->sum = checksum(&head, sizeof(head));
	return put(s, &vec, 1, e);
}

int stream_write(struct stream_out *s, struct stream_frame *f, const void *data, struct err *e)
{
	struct iovec vec[2] = { { f, sizeof(*f) }, { (void *)data, f->size } };
	int r;

	f->data_sum = checksum(data, f->size);
	pthread_mutex_lock(&s->lock);
	f->sum = s->sum = checksum_on(f, offsetof(struct stream_frame, sum), s->sum);
	s->frames++;
	r = put(s, vec, 2, e);
	s->failed |= r < 0;
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* --- a folder ------------------------------------------------------------------------------------ */

struct sending {
	struct stream_out *s;
	int fd;
	char *buf;
	const char *name;
};

static int send_data(const struct sending *c, uint64_t at, uint64_t end, struct err *e)
{
	while (at < end) {
		size_t part = end - at < STREAM_PIECE ? end - at : STREAM_PIECE;
		struct stream_frame f = { .kind = STREAM_DATA, .size = part, .at = at };

		if (io_pread(c->fd, c->buf, part, at, e) < 0)
			return err_on(e, "'%s'", c->name);
		if (stream_write(c->s, &f, c->buf, e) < 0)
			return e->code;
		at += part;
	}
	return 0;
}

static int send_file(const struct sending *c, uint64_t size, struct err *e)
{
	struct stream_frame begin = { .kind = STREAM_FILE, .size = strlen(c->name) };
	struct stream_frame end = { .kind = STREAM_CLOSE, .at = size };

	if (stream_write(c->s, &begin, c->name, e) < 0)
		return e->code;
	for (uint64_t at = 0; at < size;) {
		off_t data = lseek(c->fd, at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			break;
		hole = data < 0 ? -1 : lseek(c->fd, data, SEEK_HOLE);
		if (hole < 0)
			return err_sys(e, "look for what '%s' holds", c->name);
		if (send_data(c, data, hole, e) < 0)
			return e->code;
		at = hole;
	}
	return stream_write(c->s, &end, "", e);
}

static int send_name(struct sending *c, int dir_fd, const char *name, uint64_t *count,
		     struct err *e)
{
	own_fd fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	c->fd = fd;
	c->name = name;
	++*count;
	return send_file(c, st.st_size, e);
}

int stream_write_folder(struct stream_out *s, int dir_fd, struct err *e)
{
	own_mem char *buf = malloc(STREAM_PIECE);
	own_fd fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sending c = { .s = s, .buf = buf };
	struct stream_frame end = { .kind = STREAM_FOLDER };
	struct dirent *d;

	own_dir dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir || !buf)
		return err_sys(e, "read the folder in memory");
	take_fd(&fd);
	while ((d = readdir(dir)))
		if (d->d_name[0] != '.' && send_name(&c, dir_fd, d->d_name, &end.at, e) < 0)
			return e->code;
	return stream_write(s, &end, "", e);
}

/* --- the end ------------------------------------------------------------------------------------- */

/* Bytes that nobody has taken yet. */
static int waiting(const struct stream_out *s, int *ret, struct err *e)
{
	*ret = 0;
	if (s->way == STREAM_TO_PIPE && ioctl(s->fd, FIONREAD, ret) < 0)
		return err_sys(e, "ask what is left in the pipe");
	if (s->way == STREAM_TO_SOCKET && ioctl(s->fd, SIOCOUTQ, ret) < 0)
		*ret = 0; /* this kind of socket does not tell */
	return 0;
}

/* What still lies in the pipe would be lost if its reader went away now. */
static int drain(const struct stream_out *s, struct err *e)
{
	struct pollfd p = { .fd = s->fd };
	uint64_t since = io_now_us();
	int left, before = 0;

	for (;;) {
		bool gone = poll(&p, 1, 0) > 0 && p.revents & POLLERR;

		if (waiting(s, &left, e) < 0)
			return e->code;
		if (left == 0)
			return 0;
		if (gone)
			return nobody_reads(e);
		if (left != before)
			since = io_now_us();
		before = left;
		if (look(s, since, e) < 0)
			return e->code;
		poll(NULL, 0, DRAIN_LOOK_MS);
	}
}

int stream_write_end(struct stream_out *s, struct err *e)
{
	struct stream_frame f = { .kind = STREAM_END, .at = s->frames };

	if (stream_write(s, &f, "", e) < 0)
		return e->code;
	if (s->way == STREAM_TO_FILE && fsync(s->fd) < 0)
		return err_sys(e, "fsync the stream");
	return drain(s, e);
}
