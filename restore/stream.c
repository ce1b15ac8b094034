/* Pages of a stream on their way into place; see stream.h. */
#include "restore/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "images/pages.h"
#include "images/stream.h"
#include "lib/io.h"
#include "lib/stats.h"

enum { VECTORS = 64 };

struct restore_stream {
	struct stream_in in;
	struct stream_place *places; /* those of shared objects stay until the end */
	size_t first, count;	     /* those that are being filled, in order */
	char *there;		     /* for comparing; STREAM_PIECE */
	int mem_fd;		     /* /proc/PID/mem of mem_pid */
	pid_t mem_pid;
	struct restore_stats *stats;
	uint64_t due; /* bytes of places that nothing has come for yet */
	struct kept_object *kept;
	size_t kept_count;
};

/* A call being gathered. */
struct writing {
	struct restore_stream *s;
	pid_t pid;
	struct iovec from[VECTORS], to[VECTORS];
	size_t count;
};

int rstream_begin(struct restore *r, struct err *e)
{
	if (!r->opt->stream)
		return 0;
	r->stream = calloc(1, sizeof(*r->stream));
	if (!r->stream)
		return err_sys(e, "memory for the stream");
	if (stream_in_begin(&r->stream->in, r->opt->stream_fd, e) < 0)
		return e->code;
	r->stream->mem_fd = -1;
	r->stream->stats = r->opt->restore_stats;
	r->stream->there = malloc(STREAM_PIECE);
	if (!r->stream->there)
		return err_sys(e, "memory for the stream");
	return stream_read_folder(&r->stream->in, r->images, e);
}

void rstream_close(struct restore *r)
{
	struct restore_stream *s = r->stream;

	if (!s)
		return;
	for (size_t i = 0; i < s->kept_count; i++) {
		own_close(&s->kept[i].fd);
		if (s->kept[i].map)
			munmap(s->kept[i].map, s->kept[i].size);
	}
	free(s->kept);
	free(s->places);
	free(s->there);
	own_close(&s->mem_fd);
	stream_in_drop(&s->in);
	free(s);
	r->stream = NULL;
}

int rstream_place(struct restore *r, const struct stream_place *p, struct err *e)
{
	struct restore_stream *s = r->stream;
	struct stream_place *last = s->count ? &s->places[s->count - 1] : NULL;

	s->due += p->bytes;
	if (last && last->pages_id == p->pages_id && last->offset + last->bytes == p->offset &&
	    last->fresh == p->fresh && last->inherited == p->inherited && last->pid == p->pid &&
	    last->fd == p->fd && last->to + last->bytes == p->to) {
		last->bytes += p->bytes;
		return 0;
	}
	if (io_grow(&s->places, s->count, sizeof(*s->places), e) < 0)
		return e->code;
	s->places[s->count++] = *p;
	return 0;
}

int rstream_keep(struct restore *r, const struct kept_object *o, int *ret_fd, struct err *e)
{
	struct restore_stream *s = r->stream;

	if (io_grow(&s->kept, s->kept_count, sizeof(*s->kept), e) < 0)
		return e->code;
	*ret_fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 3);
	if (*ret_fd < 0)
		return err_sys(e, "keep the object open");
	s->kept[s->kept_count] = *o;
	s->kept[s->kept_count++].fd = *ret_fd;
	return 0;
}

static int by_offset(const void *a, const void *b)
{
	const struct stream_place *x = a, *y = b;

	if (x->pages_id != y->pages_id)
		return x->pages_id < y->pages_id ? -1 : 1;
	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The first place that ends behind the offset of the file. */
static size_t find_place(const struct restore_stream *s, uint32_t pages_id, uint64_t offset)
{
	size_t low = s->first, high = s->count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct stream_place *p = &s->places[mid];

		if (p->pages_id > pages_id ||
		    (p->pages_id == pages_id && p->offset + p->bytes > offset))
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static int flush(struct writing *w, struct err *e)
{
	size_t size = 0;
	ssize_t n;

	if (w->count == 0)
		return 0;
	for (size_t i = 0; i < w->count; i++)
		size += w->from[i].iov_len;
	n = process_vm_writev(w->pid, w->from, w->count, w->to, w->count, 0);
	if (n < 0)
		return err_sys(e, "write %zu bytes at %p of pid %d", size, w->to[0].iov_base,
			       w->pid);
	if ((size_t)n != size)
		return err_code(e, EFAULT, "only %zd of %zu bytes could be written at %p of pid %d",
				n, size, w->to[0].iov_base, w->pid);
	w->count = 0;
	return 0;
}

/* What the frame has between two offsets of the pages file. */
static int put(struct writing *w, const struct stream_place *p, uint64_t from, uint64_t end,
	       struct err *e)
{
	char *data = w->s->in.unpacker.data + (from - w->s->in.f.at);
	uint64_t to = p->to + (from - p->offset);
	size_t size = end - from;

	if (p->pid == 0 && p->fd < 0) {
		memcpy((void *)to, data, size);
		return 0;
	}
	if (p->pid == 0)
		return io_pwrite(p->fd, data, size, to, e) < 0 ? err_on(e, "shared memory") : 0;
	if ((w->count == VECTORS || (w->count && w->pid != p->pid)) && flush(w, e) < 0)
		return e->code;
	w->pid = p->pid;
	w->from[w->count] = (struct iovec){ data, size };
	w->to[w->count++] = (struct iovec){ (void *)to, size };
	return 0;
}

/*
 * Not by process_vm_readv(): that pins a page for reading, for which the kernel gives the task a copy of its own of one
 * that it shares with its parent.
 */
static ssize_t read_there(struct restore_stream *s, pid_t pid, uint64_t from, size_t size)
{
	char path[32];

	if (s->mem_pid != pid) {
		own_close(&s->mem_fd);
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		s->mem_fd = open(path, O_RDONLY | O_CLOEXEC);
		s->mem_pid = pid;
	}
	return pread(s->mem_fd, s->there, size, from);
}

/* Only what differs from what is there. What cannot be read is written in any case. */
static int put_different(struct writing *w, const struct stream_place *p, uint64_t at, uint64_t end,
			 struct err *e)
{
	struct restore_stream *s = w->s;
	ssize_t known = read_there(s, p->pid, p->to + (at - p->offset), end - at);

	for (uint64_t done = 0; at + done < end; done += PAGE_SIZE) {
		const char *data = s->in.unpacker.data + (at + done - s->in.f.at);

		if (known >= (ssize_t)(done + PAGE_SIZE)) {
			s->stats->pages_compared++;
			if (memcmp(data, s->there + done, PAGE_SIZE) == 0) {
				s->stats->pages_skipped_cow++;
				continue;
			}
		}
		if (put(w, p, at + done, at + done + PAGE_SIZE, e) < 0)
			return e->code;
	}
	return 0;
}

/* Of the part of a frame that is for this place: pages in a row that are to be written. */
static int put_part(struct writing *w, const struct stream_place *p, uint64_t at, uint64_t end,
		    struct err *e)
{
	const struct stream_frame *f = &w->s->in.f;
	uint64_t present = p->fresh ? f->present : UINT64_MAX;

	while (at < end) {
		uint64_t from = at;

		for (; at < end && present >> (at - f->at) / PAGE_SIZE & 1;)
			at += PAGE_SIZE;
		/* The last page of shared memory may be a part of one. */
		at = at < end ? at : end;
		if (at > from && put(w, p, from, at, e) < 0)
			return e->code;
		for (; at < end && !(present >> (at - f->at) / PAGE_SIZE & 1);)
			at += PAGE_SIZE;
	}
	return 0;
}

static int put_frame(struct restore_stream *s, struct err *e)
{
	const struct stream_frame *f = &s->in.f;
	struct writing w = { .s = s };

	if (stream_expand(&s->in, e) < 0)
		return e->code;
	for (size_t i = find_place(s, f->id, f->at); i < s->count; i++) {
		const struct stream_place *p = &s->places[i];
		uint64_t at = p->offset > f->at ? p->offset : f->at;
		uint64_t end = p->offset + p->bytes;

		if (p->pages_id != f->id || p->offset >= f->at + f->bytes)
			break;
		end = end < f->at + f->bytes ? end : f->at + f->bytes;
		if ((p->inherited ? put_different : put_part)(&w, p, at, end, e) < 0)
			return e->code;
		s->due -= end - at;
	}
	return flush(&w, e);
}

bool rstream_in_order(const struct restore *r)
{
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->creator != r->tasks[i]->parent)
			return false;
	return r->stream != NULL;
}

static void begin_filling(struct restore_stream *s, size_t first)
{
	s->first = first;
	if (s->count > first)
		qsort(s->places + first, s->count - first, sizeof(*s->places), by_offset);
}

/* Whose places are at the end of the list. */
static size_t first_of(const struct restore_stream *s, uint32_t pages_id)
{
	size_t first = s->count;

	while (first && s->places[first - 1].pages_id == pages_id)
		first--;
	return first;
}

int rstream_run_task(struct restore *r, const struct stored_pages *pages, struct err *e)
{
	struct restore_stream *s = r->stream;
	uint64_t bytes = 0;

	for (size_t i = 0; i < pages->count; i++)
		bytes += pages->runs[i].nr_pages * PAGE_SIZE;
	begin_filling(s, first_of(s, pages->pages_id));
	while (bytes) {
		if (stream_next(&s->in, e) < 0)
			return e->code;
		if (s->in.f.kind != STREAM_PAGES || s->in.f.id != pages->pages_id ||
		    s->in.f.bytes > bytes)
			return stream_refuse(&s->in, e);
		if (put_frame(s, e) < 0)
			return e->code;
		bytes -= s->in.f.bytes;
	}
	s->count = s->first;
	return 0;
}

int rstream_run(struct restore *r, struct err *e)
{
	struct restore_stream *s = r->stream;

	begin_filling(s, 0);
	for (;;) {
		if (stream_next(&s->in, e) < 0)
			return e->code;
		if (s->in.f.kind == STREAM_END && s->due)
			return err_say(e, "the stream ends, and %lu bytes of pages are missing",
				       s->due);
		if (s->in.f.kind == STREAM_END)
			return 0;
		if (s->in.f.kind != STREAM_PAGES)
			return stream_refuse(&s->in, e);
		if (put_frame(s, e) < 0)
			return e->code;
	}
}
