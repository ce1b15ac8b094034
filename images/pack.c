/* Writing compressed pages; see packed.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "images/manifest.h"
#include "images/packed.h"
#include "images/packed.pb-c.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/zero.h"

enum {
	SURE = 4,	   /* so many chunks in a row were incompressible: the next is only tried */
	TRIED = 8 << 10,   /* by this much of its middle */
	ALWAYS_TRIED = 64, /* but every so many of them as a whole */
	SUMS = PACKED_CHUNK / MANIFEST_CHUNK, /* that can lie within a chunk */
};

static int write_head(struct packer *p, struct err *e)
{
	PackedHead head = PACKED_HEAD__INIT;
	own_mem char *bytes = NULL;

	head.version = p->how.seen ? PACKED_ONCE : PACKED_VERSION;
	head.codec = (char *)(p->how.codec ? p->how.codec->name : PACKED_NO_CODEC);
	head.level = p->how.level;
	head.chunk_size = PACKED_CHUNK;
	if (image_write(&p->image, &head, e) < 0 || image_flush(&p->image, e) < 0)
		return e->code;
	p->at = p->image.at;
	bytes = malloc(p->at);
	if (!bytes)
		return err_sys(e, "memory for '%s'", p->image.name);
	if (io_pread(image_fd(&p->image), bytes, p->at, 0, e) < 0)
		return err_on(e, "'%s'", p->image.name);
	p->head_checksum = checksum(bytes, p->at);
	return 0;
}

int packer_begin(struct packer *p, int dir_fd, uint64_t id, struct compression how, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	int fd;

	*p = (struct packer){ .how = how, .lock = PTHREAD_MUTEX_INITIALIZER };
	image_name(name, IMG_PACKED, id);
	/* Not blocking: see image_open. */
	fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return err_sys(e, "create '%s'", name);
	if (image_create_fd(&p->image, fd, IMG_PACKED, name, e) < 0)
		return e->code;
	if (how.seen && seen_add_file(how.seen, id, fd, &p->seen_file, e) < 0) {
		p->how.seen = NULL;
		return e->code;
	}
	return write_head(p, e);
}

int pack_hand_begin(struct pack_hand *h, const struct compression *how, struct err *e)
{
	*h = (struct pack_hand){};
	if (!how->codec)
		return 0;
	h->compressor = how->codec->begin(how->level);
	h->out = malloc(PACKED_CHUNK);
	if (h->compressor && h->out)
		return 0;
	pack_hand_end(h, how);
	return err_code(e, ENOMEM, "memory for %s: %s", how->codec->name, strerror(ENOMEM));
}

void pack_hand_end(struct pack_hand *h, const struct compression *how)
{
	if (h->compressor)
		how->codec->end(h->compressor);
	free(h->out);
	seen_hand_end(&h->seen);
	*h = (struct pack_hand){};
}

/* Squeezes the pages out that are zero or stored elsewhere. Returns what is left. */
static size_t squeeze(struct pack_piece *piece, uint64_t *ret_present)
{
	char *data = piece->data;
	uint64_t present = 0;
	size_t left = 0;

	for (size_t at = 0; at < piece->size; at += PAGE_SIZE) {
		if (piece->twins >> at / PAGE_SIZE & 1)
			continue;
		if (page_is_zero(data + at)) {
			piece->zero_pages++;
			continue;
		}
		present |= 1ULL << (at / PAGE_SIZE);
		if (left != at)
			memcpy(data + left, data + at, PAGE_SIZE);
		left += PAGE_SIZE;
	}
	*ret_present = present;
	return left;
}

/*
 * What was encrypted or compressed before comes in long stretches, and is not worth more than a look: a chunk that
 * begins to be compressible behind one is noticed by its middle.
 */
static bool is_hopeless(const struct codec *codec, struct pack_hand *h, const char *data,
			size_t size)
{
	const char *middle = data + (size - TRIED) / 2;

	if (h->raw < SURE || h->raw % ALWAYS_TRIED == 0 || size < 2 * TRIED)
		return false;
	return codec->compress(h->compressor, h->out, TRIED - TRIED / 32, middle, TRIED) == 0;
}

/* How many bytes are in h->out, 0: it does not get smaller by a page. */
static size_t compress(const struct codec *codec, struct pack_hand *h, const char *data,
		       size_t size)
{
	size_t n = 0;

	if (size == 0 || !codec)
		return 0;
	if (!is_hopeless(codec, h, data, size))
		n = codec->compress(h->compressor, h->out, size - size / 32, data, size);
	h->raw = n ? 0 : h->raw + 1;
	return n;
}

/* A place in the file and in the index. */
static int take_place(struct packer *p, uint64_t number, struct packed_chunk *c, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&p->lock);
	while (r == 0 && p->count <= number) {
		r = io_grow(&p->index, p->count, sizeof(*p->index), e);
		if (r == 0)
			p->index[p->count++] = (struct packed_chunk){};
	}
	if (r == 0) {
		c->at = c->size ? p->at : 0;
		p->at += c->size;
		p->index[number] = *c;
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

/*
 * For the manifest, while the data is in the cache: to read the file again takes longer than to compress what was random. What
 * shares its 32 KiB with a neighbour is read again.
 */
static int note_sums(struct packer *p, const struct packed_chunk *c, const char *from,
		     struct err *e)
{
	uint64_t first = manifest_chunks(c->at), last = (c->at + c->size) / MANIFEST_CHUNK;
	uint64_t sums[SUMS];
	int r = 0;

	for (uint64_t n = first; n < last; n++)
		sums[n - first] = checksum(from + n * MANIFEST_CHUNK - c->at, MANIFEST_CHUNK);
	if (first >= last)
		return 0;
	pthread_mutex_lock(&p->lock);
	while (r == 0 && p->sum_count < last) {
		r = io_grow(&p->sums, p->sum_count, sizeof(*p->sums), e);
		if (r == 0)
			p->sums[p->sum_count++] = 0;
	}
	if (r == 0)
		memcpy(&p->sums[first], sums, (last - first) * sizeof(*sums));
	pthread_mutex_unlock(&p->lock);
	return r;
}

const char *pack_piece(const struct codec *codec, struct pack_hand *h, struct pack_piece *piece,
		       struct packed_chunk *ret)
{
	struct packed_chunk c = {};
	size_t left = squeeze(piece, &c.present);
	size_t n = compress(codec, h, piece->data, left);
	const char *from = n ? h->out : piece->data;

	c.size = n ? n : left;
	c.flags = !n && left ? PACKED_RAW : 0;
	c.checksum = checksum(from, c.size);
	*ret = c;
	return from;
}

static int write_piece(struct packer *p, struct pack_hand *h, struct pack_piece *piece,
		       struct packed_chunk *ret, struct err *e)
{
	const char *from = pack_piece(p->how.codec, h, piece, ret);

	if (take_place(p, piece->chunk, ret, e) < 0)
		return e->code;
	if (ret->size && io_pwrite(image_fd(&p->image), from, ret->size, ret->at, e) < 0)
		return err_on(e, "'%s'", p->image.name);
	return note_sums(p, ret, from, e);
}

int packer_put(struct packer *p, struct pack_hand *h, struct pack_piece *piece, struct err *e)
{
	struct packed_chunk c;
	int r;

	if (p->how.seen && packer_find_twins(p, h, piece, e) < 0)
		return e->code;
	r = write_piece(p, h, piece, &c, e);
	if (p->how.seen)
		seen_done(p->how.seen, &h->seen, r == 0 ? &c : NULL);
	return r;
}

int packer_finish(struct packer *p, uint64_t bytes, struct err *e)
{
	struct packed_tail tail = {
		.index_at = p->at, .chunks = p->count, .bytes = bytes, .end = PACKED_END
	};
	size_t size = p->count * sizeof(*p->index), refs;
	int fd = image_fd(&p->image);

	packer_sort_refs(p);
	refs = p->ref_count * sizeof(*p->refs);
	tail.checksum = checksum_on(p->index, size, p->head_checksum);
	if (p->how.seen)
		tail.checksum = checksum_on(p->refs, refs, tail.checksum);
	tail.checksum = checksum_on(&tail, offsetof(struct packed_tail, checksum), tail.checksum);
	if (io_pwrite(fd, p->index, size, p->at, e) < 0 ||
	    io_pwrite(fd, p->refs, refs, p->at + size, e) < 0 ||
	    io_pwrite(fd, &tail, sizeof(tail), p->at + size + refs, e) < 0)
		return err_on(e, "'%s'", p->image.name);
	if (image_close(&p->image, e) < 0)
		return e->code;
	if (p->how.seen)
		seen_end_file(p->how.seen, p->seen_file, true);
	p->how.seen = NULL;
	return 0;
}

void packer_drop(struct packer *p)
{
	image_drop(&p->image);
	if (p->how.seen)
		seen_end_file(p->how.seen, p->seen_file, false);
	p->how.seen = NULL;
	free(p->index);
	free(p->refs);
	free(p->sums);
	p->index = NULL;
	p->refs = NULL;
	p->sums = NULL;
}
