/* Storing the contents of pages; see page_sink.h. */
#include "images/page_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/manifest.h"
#include "images/stream.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/thread.h"
#include "lib/zero.h"

enum {
	/* Bytes copied at once; larger ones do not stay in the cache of every processor. */
	PLAIN_PIECE = MANIFEST_CHUNK,
	/* A file can be written by one at a time: one reads while the other writes. */
	PLAIN_THREADS = 2,
	THREADS = 64,
	/* Bytes that each is to have: below, starting one costs more than it gains. */
	WORTH_THREAD = 4 << 20,
	PACKED_WORTH_THREAD = 512 << 10,
};

static int remove_other(int dir_fd, enum image_kind kind, uint64_t id, struct err *e)
{
	char name[IMAGE_NAME_MAX];

	image_name(name, kind, id);
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s' of an earlier dump", name);
	return 0;
}

static int begin_packed(struct page_sink *s, int dir_fd, uint64_t id, struct compression how,
			struct err *e)
{
	s->packer = calloc(1, sizeof(*s->packer));
	if (!s->packer)
		return err_sys(e, "memory for compressed pages");
	if (remove_other(dir_fd, IMG_PAGES, id, e) < 0)
		return e->code;
	return packer_begin(s->packer, dir_fd, id, how, e);
}

int page_sink_begin(struct page_sink *s, int dir_fd, uint64_t id, struct compression how,
		    struct err *e)
{
	char name[IMAGE_NAME_MAX];

	*s = (struct page_sink){ .open = true, .fd = -1 };
	if (how.codec || how.seen)
		return begin_packed(s, dir_fd, id, how, e);
	image_name(name, IMG_PAGES, id);
	s->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (s->fd < 0)
		return err_sys(e, "create '%s'", name);
	return remove_other(dir_fd, IMG_PACKED, id, e);
}

void page_sink_to_stream(struct page_sink *s, struct stream_out *stream, uint32_t id,
			 struct compression how)
{
	*s = (struct page_sink){ .fd = -1, .stream = stream, .stream_id = id, .how = how };
}

int page_sink_to_outlet(struct page_sink *s, struct page_outlet *o, enum image_kind kind,
			uint64_t id, struct err *e)
{
	*s = (struct page_sink){ .fd = -1, .remote = calloc(1, sizeof(*s->remote)) };
	if (!s->remote)
		return err_sys(e, "memory for a page map");
	*s->remote = (struct page_remote){ .outlet = o, .kind = kind, .id = id };
	return 0;
}

size_t page_sink_piece(const struct page_sink *s)
{
	return s->packer || s->stream || s->remote ? PACKED_CHUNK : PLAIN_PIECE;
}

unsigned int page_sink_most(const struct page_sink *s)
{
	/* They go one behind the other. */
	if (s->remote)
		return 1;
	return s->packer || s->how.codec ? THREADS : PLAIN_THREADS;
}

unsigned int page_sink_threads(const struct page_sink *s, uint64_t bytes, uint64_t files)
{
	bool plain = !s->remote && page_sink_most(s) == PLAIN_THREADS;
	uint64_t worth = bytes / (plain ? WORTH_THREAD : PACKED_WORTH_THREAD);
	uint64_t most = thread_processors();

	/* Two that take turns at one file do not need a processor each. */
	if (plain && most < PLAIN_THREADS)
		most = PLAIN_THREADS;
	if (plain && most > files * PLAIN_THREADS)
		most = files * PLAIN_THREADS;
	if (most > THREADS)
		most = THREADS;
	if (s->remote)
		most = 1;
	return worth < 1 ? 1 : worth < most ? worth : most;
}

int page_hand_begin(struct page_hand *h, const struct page_sink *s, struct err *e)
{
	*h = (struct page_hand){};
	if (s->how.codec)
		return pack_hand_begin(&h->pack, &s->how, e);
	return s->packer ? pack_hand_begin(&h->pack, &s->packer->how, e) : 0;
}

void page_hand_end(struct page_hand *h, const struct page_sink *s)
{
	if (s->how.codec)
		pack_hand_end(&h->pack, &s->how);
	if (s->packer)
		pack_hand_end(&h->pack, &s->packer->how);
}

/* Pages that hold something, in a row: from 'at' up to the next zero page. */
static size_t full_run(const char *data, size_t size)
{
	size_t at = 0;

	while (at < size && !page_is_zero(data + at))
		at += PAGE_SIZE;
	return at;
}

static int put_plain(struct page_sink *s, const struct page_piece *p, const char *data,
		     struct err *e)
{
	uint64_t zero = 0;

	if (s->sums)
		s->sums[p->at / MANIFEST_CHUNK] = checksum(data, p->size);
	for (size_t done = 0; done < p->size;) {
		size_t run = full_run(data + done, p->size - done);

		if (run && io_pwrite(s->fd, data + done, run, p->at + done, e) < 0)
			return e->code;
		done += run;
		for (; done < p->size && page_is_zero(data + done); done += PAGE_SIZE)
			zero++;
	}
	if (zero)
		__atomic_add_fetch(&s->zero_pages, zero, __ATOMIC_RELAXED);
	return 0;
}

static int put_packed(struct page_sink *s, struct page_hand *h, struct page_piece *p, char *data,
		      struct err *e)
{
	struct pack_piece piece = { data, p->size, p->at / PACKED_CHUNK, 0, 0 };
	int r = packer_put(s->packer, &h->pack, &piece, e);

	__atomic_add_fetch(&s->zero_pages, piece.zero_pages, __ATOMIC_RELAXED);
	return r;
}

static int put_stream(struct page_sink *s, struct page_hand *h, struct page_piece *p, char *data,
		      struct err *e)
{
	struct pack_piece piece = { data, p->size, 0, 0, 0 };
	struct packed_chunk c;
	const char *from = pack_piece(s->how.codec, &h->pack, &piece, &c);
	struct stream_frame f = { .kind = STREAM_PAGES,
				  .size = c.size,
				  .at = p->at,
				  .present = c.present,
				  .id = s->stream_id,
				  .bytes = p->size };

	if (c.size && !(c.flags & PACKED_RAW))
		memcpy(f.codec, s->how.codec->name, strnlen(s->how.codec->name, sizeof(f.codec)));
	__atomic_add_fetch(&s->zero_pages, piece.zero_pages, __ATOMIC_RELAXED);
	return stream_write(s->stream, &f, from, e);
}

static int put_remote(struct page_sink *s, const struct page_piece *p, const char *data,
		      struct err *e)
{
	bool last = s->taken + p->size == s->remote_bytes;

	if (p->at != s->taken)
		return err_say(e, "pages for a page server came out of their order");
	return page_remote_put(s->remote, data, p->size, last, e);
}

int page_sink_put(struct page_sink *s, struct page_hand *h, struct page_piece *p, char *data,
		  struct err *e)
{
	int r = s->stream ? put_stream(s, h, p, data, e) :
		s->remote ? put_remote(s, p, data, e) :
		s->packer ? put_packed(s, h, p, data, e) :
			    put_plain(s, p, data, e);

	__atomic_add_fetch(&s->taken, p->size, __ATOMIC_RELAXED);
	return r;
}

int page_sink_finish(struct page_sink *s, uint64_t bytes, const char *name, struct err *e)
{
	struct stat st;

	if (s->later)
		s->taken = bytes;
	st.st_size = s->taken;
	/* Zeros at the end are a hole as well. */
	if (s->fd >= 0 && s->taken == bytes && ftruncate(s->fd, bytes) < 0)
		return err_sys(e, "the pages of '%s'", name);
	if (s->fd >= 0 && fstat(s->fd, &st) < 0)
		return err_sys(e, "stat the pages of '%s'", name);
	if ((uint64_t)st.st_size != bytes)
		return err_say(e, "the pages of '%s' have %lu bytes where %lu belong", name,
			       (unsigned long)st.st_size, bytes);
	if (s->remote)
		return page_remote_finish(s->remote, e);
	s->twin_pages = s->packer ? s->packer->ref_pages : 0;
	return s->packer ? packer_finish(s->packer, bytes, e) : 0;
}

void page_sink_drop(struct page_sink *s)
{
	if (s->packer)
		packer_drop(s->packer);
	if (s->remote)
		free(s->remote->runs);
	free(s->remote);
	free(s->packer);
	free(s->sums);
	if (s->open)
		own_close(&s->fd);
	*s = (struct page_sink){};
}
