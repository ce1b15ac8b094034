/*
 * What was in pipes: read from the images before anything is made, and written into fresh pipes before
 * their ends are handed out. Packets are written as packets.
 */
#include "restore/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "images/image.h"
#include "lib/io.h"

struct rpipes {
	struct rpipe *all; /* ascending by (named, pipe_id) */
	size_t count;
};

static int compare(const void *va, const void *vb)
{
	const struct rpipe *a = va, *b = vb;

	if (a->named != b->named)
		return a->named - b->named;
	return a->pipe_id < b->pipe_id ? -1 : a->pipe_id > b->pipe_id;
}

static struct rpipe *find(const struct rpipes *pipes, bool named, uint32_t pipe_id)
{
	struct rpipe key = { .named = named, .pipe_id = pipe_id };

	return pipes->count ? bsearch(&key, pipes->all, pipes->count, sizeof(key), compare) : NULL;
}

static int add(struct rpipes *pipes, bool named, uint32_t pipe_id, struct err *e)
{
	if (io_grow(&pipes->all, pipes->count, sizeof(*pipes->all), e) < 0)
		return e->code;
	pipes->all[pipes->count++] =
		(struct rpipe){ .named = named, .pipe_id = pipe_id, .reading = -1, .writing = -1 };
	return 0;
}

/* Every pipe that a file is an end of. */
static int list(struct restore *r, struct rpipes *pipes, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < r->files->count; i++) {
		const FileEntry *f = r->files->files[i].entry;

		if (f->type == FD_TYPES__PIPE && add(pipes, false, f->pipe->pipe_id, e) < 0)
			return e->code;
		if (f->type == FD_TYPES__FIFO && add(pipes, true, f->fifo->pipe_id, e) < 0)
			return e->code;
	}
	if (pipes->count)
		qsort(pipes->all, pipes->count, sizeof(*pipes->all), compare);
	for (size_t i = 0; i < pipes->count; i++)
		if (i == 0 || compare(&pipes->all[n - 1], &pipes->all[i]) != 0)
			pipes->all[n++] = pipes->all[i];
	pipes->count = n;
	return 0;
}

static int keep_data(struct rpipes *pipes, bool named, PipeDataEntry *data, char *bytes,
		     struct err *e)
{
	struct rpipe *p = find(pipes, named, data->pipe_id);

	/* Bytes of a pipe that nobody has an end of: of no use. */
	if (!p || p->data) {
		bool twice = p;

		protobuf_c_message_free_unpacked(&data->base, NULL);
		free(bytes);
		return twice ? err_say(e, "the images have the bytes of pipe %u twice",
				       p->pipe_id) :
			       0;
	}
	p->data = data;
	p->bytes = bytes;
	return 0;
}

static int load_data(struct restore *r, struct rpipes *pipes, bool named, struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, named ? IMG_FIFO_DATA : IMG_PIPES_DATA, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message PipeDataEntry *data = NULL;
		own_mem char *bytes = NULL;

		got = image_read(&img, &pipe_data_entry__descriptor, &data, e);
		if (got <= 0)
			return got;
		if (data->bytes > image_left(&img))
			return err_code(e, ENODATA,
					"'%s' is cut short: pipe %u has %lu of %u bytes", img.name,
					data->pipe_id, image_left(&img), data->bytes);
		bytes = malloc(data->bytes + 1);
		if (!bytes)
			return err_sys(e, "memory for what was in a pipe");
		if (image_read_extra(&img, bytes, data->bytes, e) < 0 ||
		    keep_data(pipes, named, take_mem(data), take_mem(bytes), e) < 0)
			return e->code;
	}
}

static int check_runs(const PipePacketsEntry *packets, const struct rpipe *p, struct err *e)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < packets->n_run; i++)
		sum += packets->run[i] >> 1;
	if (packets->n_run && (!p->data || sum != p->data->bytes))
		return err_say(e, "'stasis-pipes.img' does not fit what was in pipe %u",
			       p->pipe_id);
	return 0;
}

static int load_packets(struct restore *r, struct rpipes *pipes, struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_PIPE_PACKETS, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message PipePacketsEntry *packets = NULL;
		struct rpipe *p;

		got = image_read(&img, &pipe_packets_entry__descriptor, &packets, e);
		if (got <= 0)
			return got;
		p = find(pipes, packets->named, packets->pipe_id);
		if (!p || p->packets)
			continue;
		if (check_runs(packets, p, e) < 0)
			return e->code;
		p->packets = take_mem(packets);
	}
}

static int may_be_missing(int result, struct err *e)
{
	if (result != -ENOENT)
		return result;
	*e = (struct err){ 0 };
	return 0;
}

int rpipes_load(struct restore *r, struct err *e)
{
	struct rpipes *pipes;

	if (r->files->pipes)
		return 0;
	r->files->pipes = pipes = pool_new(&r->pool, struct rpipes);
	if (list(r, pipes, e) < 0)
		return e->code;
	if (may_be_missing(load_data(r, pipes, false, e), e) < 0 ||
	    may_be_missing(load_data(r, pipes, true, e), e) < 0)
		return e->code;
	return may_be_missing(load_packets(r, pipes, e), e);
}

struct rpipe *rpipes_get(const struct restore *r, bool named, uint32_t pipe_id)
{
	return find(r->files->pipes, named, pipe_id);
}

static int set_size(const struct rpipe *p, struct err *e)
{
	int now = fcntl(p->writing, F_GETPIPE_SZ);
	int wanted = p->data->has_size ? (int)p->data->size : now;

	if (wanted < 0)
		return err_say(e, "the images have the impossible size of %u bytes for it",
			       p->data->size);
	if (now == wanted || fcntl(p->writing, F_SETPIPE_SZ, wanted) >= 0)
		return 0;
	err_sys(e, "give it its size, %d bytes", wanted);
	return e->code == -EPERM ?
		       err_hint(e,
				"raise /proc/sys/fs/pipe-max-size, or give us CAP_SYS_RESOURCE") :
		       e->code;
}

static int write_run(int to, const char *bytes, size_t size, bool packet, struct err *e)
{
	ssize_t n;

	if (fcntl(to, F_SETFL, O_NONBLOCK | (packet ? O_DIRECT : 0)) < 0)
		return err_sys(e, "switch packet mode");
	n = write(to, bytes, size);
	if (n < 0)
		return err_sys(e, "fill it");
	if ((size_t)n != size)
		return err_say(e, "only %zd of %zu bytes fit into it", n, size);
	return 0;
}

/*
 * A packet is put into the page of the bytes before it if there is room, and then it is none. Bytes that come
 * by tee(2) have no room behind them.
 */
static int write_apart(const struct rpipe *p, const char *bytes, size_t size, struct err *e)
{
	own_fd reading = -1, writing = -1;
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "make a pipe");
	reading = ends[0];
	writing = ends[1];
	if (fcntl(writing, F_SETPIPE_SZ, fcntl(p->writing, F_GETPIPE_SZ)) < 0)
		return err_sys(e, "give a pipe its size");
	if (write_run(writing, bytes, size, false, e) < 0)
		return e->code;
	n = tee(reading, p->writing, size, SPLICE_F_NONBLOCK);
	if (n < 0)
		return err_sys(e, "fill it");
	return (size_t)n == size ? 0 : err_say(e, "only %zd of %zu bytes fit into it", n, size);
}

static int write_runs(const struct rpipe *p, const PipePacketsEntry *packets, struct err *e)
{
	const char *bytes = p->bytes;

	for (size_t i = 0; i < packets->n_run; i++) {
		size_t size = packets->run[i] >> 1;
		bool packet = packets->run[i] & 1;
		int res;

		if (!packet && i + 1 < packets->n_run)
			res = write_apart(p, bytes, size, e);
		else
			res = write_run(p->writing, bytes, size, packet, e);
		if (res < 0)
			return res;
		bytes += size;
	}
	return 0;
}

int rpipes_fill(struct rpipe *p, struct err *e)
{
	int there;

	if (!p->data)
		return 0;
	if (set_size(p, e) < 0)
		return e->code;
	if (ioctl(p->writing, FIONREAD, &there) < 0)
		return err_sys(e, "count what is in it");
	/* A named pipe that somebody else holds open may have kept its bytes. */
	if (there == (int)p->data->bytes)
		return 0;
	if (there)
		return err_say(e, "there are %d bytes in it; it had %u when it was dumped", there,
			       p->data->bytes);
	if (p->packets && p->packets->n_run)
		return write_runs(p, p->packets, e);
	return write_run(p->writing, p->bytes, p->data->bytes, false, e);
}

int rpipes_set_flags(const struct rpipe *p, uint32_t id, int fd, uint32_t flags, struct err *e)
{
	/* CRIU has packet mode among the flags of a named pipe, we have it apart. */
	uint32_t wanted = flags & (O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT);

	for (size_t i = 0; p->packets && i < p->packets->n_direct; i++)
		if (p->packets->direct[i] == id)
			wanted |= O_DIRECT;
	return fcntl(fd, F_SETFL, wanted) < 0 ? err_sys(e, "set its flags, %#x", wanted) : 0;
}

void rpipes_close_ends(struct restore *r)
{
	struct rpipes *pipes = r->files->pipes;

	for (size_t i = 0; pipes && i < pipes->count; i++) {
		struct rpipe *p = &pipes->all[i];

		if (p->writing != p->reading && !p->writing_given)
			own_close(&p->writing);
		if (!p->reading_given)
			own_close(&p->reading);
		p->reading = p->writing = -1;
	}
}

void rpipes_free(struct restore *r)
{
	struct rpipes *pipes = r->files->pipes;

	rpipes_close_ends(r);
	for (size_t i = 0; pipes && i < pipes->count; i++) {
		struct rpipe *p = &pipes->all[i];

		if (p->data)
			protobuf_c_message_free_unpacked(&p->data->base, NULL);
		if (p->packets)
			protobuf_c_message_free_unpacked(&p->packets->base, NULL);
		free(p->bytes);
	}
	if (pipes)
		free(pipes->all);
	r->files->pipes = NULL;
}
