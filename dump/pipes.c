/*
 * Unread data of pipes. tee(2) copies what is in a pipe into a pipe of ours without taking it, buffer by buffer,
 * and a buffer that is a packet (O_DIRECT) stays one. So reading our copy tells both the bytes and, where
 * there may be packets, where each ends. tee always begins at the oldest byte, so our pipe is as large as the
 * target's.
 */
#include "dump/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dump/files_table.h"
#include "images/fd/pipe.pb-c.h"
#include "images/fd/pipe_packets.pb-c.h"
#include "images/image.h"
#include "lib/io.h"

/* All ends of one pipe. */
struct ends {
	struct file **file; /* in our array of all */
	size_t count;
	const struct file *reader; /* one that can be read, NULL: none */
	bool writes, direct;
	int capacity, bytes; /* of the pipe, unread */
};

/* What there is to write to. */
struct saving {
	struct dump *d;
	enum image_kind kind;
	struct image data, packets;
	PipePacketsEntry entry; /* of the pipe at hand */
	size_t run_room;
};

static int by_inode(const void *va, const void *vb)
{
	const struct file *a = *(struct file *const *)va, *b = *(struct file *const *)vb;

	if (a->st.st_dev != b->st.st_dev)
		return a->st.st_dev < b->st.st_dev ? -1 : 1;
	if (a->st.st_ino != b->st.st_ino)
		return a->st.st_ino < b->st.st_ino ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static int add_run(struct saving *s, uint32_t bytes, bool packet, struct err *e)
{
	PipePacketsEntry *p = &s->entry;

	/* Bytes of a stream that follow each other are one run. */
	if (!packet && p->n_run && !(p->run[p->n_run - 1] & 1)) {
		p->run[p->n_run - 1] += bytes << 1;
		return 0;
	}
	if (io_grow(&p->run, p->n_run, sizeof(*p->run), e) < 0)
		return e->code;
	p->run[p->n_run++] = bytes << 1 | packet;
	return 0;
}

static int unread(int fd, int *ret, struct err *e)
{
	return ioctl(fd, FIONREAD, ret) < 0 ? err_sys(e, "count the unread bytes") : 0;
}

/* A packet is gone once one byte of it is read. One of a single byte shows by ending a read of two bytes early. */
static int next_run(int from, int probe[2], int left, bool direct, int *ret_packet)
{
	char two[2];
	ssize_t early = 0;
	int now;

	if (left >= 2) {
		if (tee(from, probe[1], 2, SPLICE_F_NONBLOCK) != 2)
			return -1;
		early = read(probe[0], two, 2);
		if (early < 1 || (early == 1 && read(probe[0], two, 1) != 1))
			return -1;
	}
	if (read(from, two, 1) != 1 || ioctl(from, FIONREAD, &now) < 0)
		return -1;
	*ret_packet = left - now > 1 || early == 1 || (left == 1 && direct);
	return left - now;
}

static int find_packets(struct saving *s, const struct ends *p, int from, struct err *e)
{
	own_fd reading = -1, writing = -1;
	int left = p->bytes, ends[2], packet;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	reading = ends[0];
	writing = ends[1];
	while (left > 0) {
		int size = next_run(from, ends, left, p->direct, &packet);

		if (size <= 0)
			return err_sys(e, "tell its packets apart");
		if (add_run(s, size, packet, e) < 0)
			return e->code;
		left -= size;
	}
	return 0;
}

/* Whether a read stopped before the end, which only a packet makes it do. */
static int read_all(int fd, char *buf, int bytes, bool *ret_packets, struct err *e)
{
	int got = 0;

	*ret_packets = false;
	while (got < bytes) {
		ssize_t n = read(fd, buf + got, bytes - got);

		if (n <= 0)
			return err_say(e, "only %d of %d unread bytes can be had", got, bytes);
		got += n;
		*ret_packets |= got < bytes;
	}
	return 0;
}

/* Everything that is in the pipe, into a pipe of ours that is empty. */
static int copy_pipe(int from, const struct ends *p, int to, struct err *e)
{
	ssize_t n = tee(from, to, p->bytes, SPLICE_F_NONBLOCK);

	if (n < 0)
		return err_sys(e, "tee");
	if (n != p->bytes)
		return err_say(e, "only %zd of %d unread bytes can be copied", n, p->bytes);
	return 0;
}

static int save_bytes(struct saving *s, const struct ends *p, struct err *e)
{
	own_mem char *buf = malloc(p->bytes);
	own_fd from = -1, reading = -1, writing = -1;
	int ends[2], r;
	bool packets;

	if (!buf)
		return err_sys(e, "memory for %d unread bytes", p->bytes);
	if (files_copy(p->reader, &from, e) < 0)
		return e->code;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "pipe");
	reading = ends[0];
	writing = ends[1];
	/* A size above pipe-max-size may be denied to us; what is in it may fit all the same. */
	for (int size = p->capacity; fcntl(writing, F_SETPIPE_SZ, size) < 0 && size > 4096;)
		size /= 2;
	if (copy_pipe(from, p, writing, e) < 0 || read_all(reading, buf, p->bytes, &packets, e) < 0)
		return e->code;
	if (packets || p->direct) {
		if (copy_pipe(from, p, writing, e) < 0)
			return e->code;
		r = find_packets(s, p, reading, e);
		if (r < 0)
			return r;
	}
	return image_write_extra(&s->data, buf, p->bytes, e);
}

static int open_image(struct image *img, struct saving *s, enum image_kind kind, struct err *e)
{
	return img->file ? 0 : image_create(img, s->d->images, kind, 0, e);
}

/* Only who can read from it tells what is in it: otherwise the bytes are somebody else's. */
static int save_data(struct saving *s, const struct ends *p, struct err *e)
{
	PipeDataEntry data = PIPE_DATA_ENTRY__INIT;

	if (!p->reader)
		return 0;
	data.pipe_id = p->reader->st.st_ino;
	data.bytes = p->bytes;
	data.has_size = 1;
	data.size = p->capacity;
	if (open_image(&s->data, s, s->kind, e) < 0 || image_write(&s->data, &data, e) < 0)
		return e->code;
	return p->bytes ? save_bytes(s, p, e) : 0;
}

/* Who has the other end of a pipe that has only one in the tree? Nobody, or somebody outside. */
static int look_outside(struct saving *s, const struct ends *p, int fd, struct err *e)
{
	struct pollfd poll_one = { .fd = fd };
	bool alone;

	if (p->reader && p->writes)
		return 0;
	if (poll(&poll_one, 1, 0) < 0)
		return err_sys(e, "poll");
	alone = poll_one.revents & (p->reader ? POLLHUP : POLLERR);
	if (s->kind == IMG_FIFO_DATA)
		s->entry.has_waiting = s->entry.waiting = p->reader && !alone && !p->bytes;
	else
		s->entry.has_outside = s->entry.outside = !alone;
	return 0;
}

static int look(struct saving *s, struct ends *p, struct err *e)
{
	own_fd fd = -1;

	for (size_t i = 0; i < p->count; i++) {
		struct file *f = p->file[i];
		int access = f->flags & O_ACCMODE;

		if (access != O_WRONLY && !p->reader)
			p->reader = f;
		p->writes |= access != O_RDONLY;
		if (!(f->flags & O_DIRECT))
			continue;
		p->direct = true;
		if (io_grow(&s->entry.direct, s->entry.n_direct, sizeof(uint32_t), e) < 0)
			return e->code;
		s->entry.direct[s->entry.n_direct++] = f->id;
	}
	if (files_copy(p->file[0], &fd, e) < 0)
		return e->code;
	p->capacity = fcntl(fd, F_GETPIPE_SZ);
	if (p->capacity < 0)
		return err_sys(e, "its size");
	if (unread(fd, &p->bytes, e) < 0)
		return e->code;
	return look_outside(s, p, fd, e);
}

static int save_pipe(struct saving *s, struct ends *p, struct err *e)
{
	PipePacketsEntry *more = &s->entry;
	int r;

	pipe_packets_entry__init(more);
	more->pipe_id = p->file[0]->st.st_ino;
	more->has_named = more->named = s->kind == IMG_FIFO_DATA;
	r = look(s, p, e);
	if (r == 0)
		r = save_data(s, p, e);
	if (r == 0 && (more->n_direct || more->n_run || more->outside || more->waiting)) {
		r = open_image(&s->packets, s, IMG_PIPE_PACKETS, e);
		if (r == 0)
			r = image_write(&s->packets, more, e);
	}
	free(more->direct);
	free(more->run);
	return r < 0 ? files_blame(p->file[0], e) : 0;
}

static int save_kind(struct saving *s, const struct fd_kind *kind, struct err *e)
{
	own_mem struct file **all = NULL;
	struct file *f = NULL;
	size_t count = 0, end;

	while ((f = files_next(s->d, kind, f))) {
		if (io_grow(&all, count, sizeof(*all), e) < 0)
			return e->code;
		all[count++] = f;
	}
	if (count)
		qsort(all, count, sizeof(*all), by_inode);
	for (size_t i = 0; i < count; i = end) {
		struct ends p = { .file = &all[i] };

		for (end = i; end < count && all[end]->st.st_ino == all[i]->st.st_ino &&
			      all[end]->st.st_dev == all[i]->st.st_dev;
		     end++)
			p.count++;
		if (save_pipe(s, &p, e) < 0)
			return e->code;
	}
	return image_close(&s->data, e);
}

int pipes_save(struct dump *d, struct err *e)
{
	struct saving s = { .d = d, .kind = IMG_PIPES_DATA };
	int r = save_kind(&s, &pipe_fd_kind, e);

	image_drop(&s.data);
	s.kind = IMG_FIFO_DATA;
	if (r == 0)
		r = save_kind(&s, &fifo_fd_kind, e);
	image_drop(&s.data);
	if (r == 0)
		r = image_close(&s.packets, e);
	image_drop(&s.packets);
	return r;
}
