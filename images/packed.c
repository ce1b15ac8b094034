/* Reading compressed pages; see packed.h. */
#include "images/packed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/packed.pb-c.h"
#include "images/plain.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

static int read_head(struct packed *p, struct image *i, struct err *e)
{
	own_message PackedHead *head = NULL;
	int r = image_read(i, &packed_head__descriptor, &head, e);

	if (r < 0)
		return r;
	if (r == 0)
		return err_code(e, ENODATA, "'%s' is cut short: it holds no record", p->name);
	if (head->version != PACKED_VERSION && head->version != PACKED_ONCE)
		return err_code(e, ENOTSUP,
				"'%s' is of version %u, which this program does not know", p->name,
				head->version);
	p->once = head->version == PACKED_ONCE;
	p->codec = codec_find(head->codec);
	if (!p->codec && !(p->once && strcmp(head->codec, PACKED_NO_CODEC) == 0))
		return err_code(e, ENOTSUP, "'%s' is compressed with '%.32s', which is not known",
				p->name, head->codec);
	if (head->chunk_size < PAGE_SIZE || head->chunk_size > PACKED_CHUNK_MAX ||
	    head->chunk_size & (head->chunk_size - 1))
		return err_say(e, "'%s' is damaged: it has chunks of %u bytes", p->name,
			       head->chunk_size);
	p->level = head->level;
	p->chunk_size = head->chunk_size;
	return 0;
}

static int read_part(const struct packed *p, void *buf, size_t size, uint64_t at, struct err *e)
{
	return io_pread(p->fd, buf, size, at, e) < 0 ? err_on(e, "'%s'", p->name) : 0;
}

/* The tail has to lead to an index that fills, with the references, what is between the chunks and itself. */
static int find_index(struct packed *p, const struct packed_tail *tail, uint64_t head_size,
		      uint64_t end, struct err *e)
{
	uint64_t room = end - head_size, index = tail->chunks * sizeof(*p->index);

	if (tail->chunks <= room / sizeof(*p->index) && tail->index_at >= head_size &&
	    tail->index_at <= end - index) {
		p->refs_at = tail->index_at + index;
		p->ref_count = (end - p->refs_at) / sizeof(*p->refs);
		if (p->once ? (end - p->refs_at) % sizeof(*p->refs) == 0 : p->refs_at == end)
			return 0;
	}
	return err_say(e, "'%s' is damaged: its index is not where it should be", p->name);
}

static int read_index(struct packed *p, uint64_t head_size, uint64_t size, struct err *e)
{
	struct packed_tail tail;
	own_mem char *head = malloc(head_size);
	uint64_t sum;

	if (size < head_size + sizeof(tail))
		return err_code(e, ENODATA, "'%s' is cut short: it does not say where its index is",
				p->name);
	if (!head || read_part(p, &tail, sizeof(tail), size - sizeof(tail), e) < 0 ||
	    read_part(p, head, head_size, 0, e) < 0)
		return head ? e->code : err_sys(e, "memory for '%s'", p->name);
	if (tail.end != PACKED_END)
		return err_code(e, ENODATA, "'%s' is cut short: it does not say where its index is",
				p->name);
	if (find_index(p, &tail, head_size, size - sizeof(tail), e) < 0)
		return e->code;
	p->index = calloc(tail.chunks + 1, sizeof(*p->index));
	p->refs = calloc(p->ref_count + 1, sizeof(*p->refs));
	if (!p->index || !p->refs)
		return err_sys(e, "memory for the index of '%s'", p->name);
	if (read_part(p, p->index, tail.chunks * sizeof(*p->index), tail.index_at, e) < 0 ||
	    read_part(p, p->refs, p->ref_count * sizeof(*p->refs), p->refs_at, e) < 0)
		return e->code;
	sum = checksum_on(p->index, tail.chunks * sizeof(*p->index), checksum(head, head_size));
	if (p->once)
		sum = checksum_on(p->refs, p->ref_count * sizeof(*p->refs), sum);
	if (checksum_on(&tail, offsetof(struct packed_tail, checksum), sum) != tail.checksum)
		return err_say(e, "'%s' is damaged: the checksum of its index is another one",
			       p->name);
	p->bytes = tail.bytes;
	p->chunk_count = tail.chunks;
	if (p->bytes % PAGE_SIZE || p->bytes > UINT64_MAX - PACKED_CHUNK_MAX ||
	    p->chunk_count != (p->bytes + p->chunk_size - 1) / p->chunk_size)
		return err_say(e, "'%s' is damaged: it has %lu chunks for %lu bytes", p->name,
			       p->chunk_count, p->bytes);
	return 0;
}

static size_t chunk_bytes(const struct packed *p, uint64_t chunk)
{
	uint64_t left = p->bytes - chunk * p->chunk_size;

	return left < p->chunk_size ? left : p->chunk_size;
}

static const char *wrong_with(const struct packed *p, uint64_t number)
{
	const struct packed_chunk *c = &p->index[number];
	size_t pages = chunk_bytes(p, number) / PAGE_SIZE;

	if (pages < 64 && c->present >> pages)
		return "has more pages than it can have";
	if (c->flags & ~PACKED_RAW)
		return "has flags that are not known";
	if (!c->present != !c->size)
		return "is empty, or not, against what its index says";
	if (c->flags & PACKED_RAW && c->size != packed_full_size(c))
		return "is stored as it is, and of another size";
	if (!(c->flags & PACKED_RAW) && c->size && !p->codec)
		return "is compressed, and the file says that nothing is";
	if (!(c->flags & PACKED_RAW) && c->present && c->size >= packed_full_size(c))
		return "is larger than what it expands to";
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct packed_chunk *const *x = a, *const *y = b;

	return ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

/* Chunks lie one behind the other, in some order. */
static int check_places(const struct packed *p, uint64_t from, uint64_t to, struct err *e)
{
	own_mem const struct packed_chunk **all = malloc((p->chunk_count + 1) * sizeof(*all));
	uint64_t at = from;
	size_t count = 0;

	if (!all)
		return err_sys(e, "memory for the index of '%s'", p->name);
	for (uint64_t n = 0; n < p->chunk_count; n++)
		if (p->index[n].size)
			all[count++] = &p->index[n];
	qsort(all, count, sizeof(*all), by_place);
	for (size_t n = 0; n < count; n++) {
		if (all[n]->at != at || all[n]->size > to - at)
			return err_say(e, "'%s' is damaged: chunk %lu is not where it should be",
				       p->name, (uint64_t)(all[n] - p->index));
		at += all[n]->size;
	}
	return at == to ? 0 :
			  err_say(e, "'%s' is damaged: %lu bytes of it belong to no chunk", p->name,
				  to - at);
}

static int check(const struct packed *p, uint64_t from, uint64_t to, struct err *e)
{
	for (uint64_t n = 0; n < p->chunk_count; n++) {
		const char *wrong = wrong_with(p, n);

		if (wrong)
			return err_say(e, "'%s' is damaged: chunk %lu %s", p->name, n, wrong);
	}
	return check_places(p, from, to, e) < 0 ? e->code : packed_refs_check(p, e);
}

void packed_close(struct packed **p)
{
	struct packed *was = *p;

	*p = NULL;
	if (!was || was->shared)
		return;
	packed_forget(was);
	own_close(&was->fd);
	free(was->index);
	free(was->refs);
	free(was->sources);
	packed_files_close(&was->own_files);
	free(was);
}

int packed_open(struct packed **ret, int dir_fd, uint64_t id, struct err *e)
{
	own_packed *p = calloc(1, sizeof(*p));
	own_image i = {};

	if (!p)
		return err_sys(e, "memory for compressed pages");
	p->fd = -1;
	p->id = id;
	image_name(p->name, IMG_PACKED, id);
	if (image_open(&i, dir_fd, IMG_PACKED, id, e) < 0 || read_head(p, &i, e) < 0)
		return e->code;
	p->fd = fcntl(image_fd(&i), F_DUPFD_CLOEXEC, 3);
	if (p->fd < 0)
		return err_sys(e, "open '%s'", p->name);
	if (read_index(p, i.at, i.size, e) < 0 ||
	    check(p, i.at, p->refs_at - p->chunk_count * sizeof(*p->index), e) < 0)
		return e->code;
	*ret = take_mem(p);
	return 0;
}

uint64_t packed_stored(const struct packed *p)
{
	uint64_t size = 0;

	for (uint64_t n = 0; n < p->chunk_count; n++)
		size += p->index[n].size;
	return size;
}

uint64_t packed_zero_pages(const struct packed *p)
{
	uint64_t pages = p->bytes / PAGE_SIZE;

	for (uint64_t n = 0; n < p->chunk_count; n++)
		pages -= packed_full_size(&p->index[n]) / PAGE_SIZE;
	return pages - packed_ref_pages(p);
}

int unpacker_begin(struct unpacker *u, struct err *e)
{
	*u = (struct unpacker){ .data = aligned_alloc(PAGE_SIZE, PACKED_CHUNK_MAX),
				.stored = malloc(PACKED_CHUNK_MAX) };
	if (u->data && u->stored)
		return 0;
	unpacker_end(u);
	return err_code(e, ENOMEM, "memory for compressed pages");
}

static void leave_codec(struct unpacker *u)
{
	if (u->expander)
		u->codec->close(u->expander);
	u->expander = NULL;
}

void unpacker_end(struct unpacker *u)
{
	leave_codec(u);
	unpack_cache_free(&u->cache);
	free(u->data);
	free(u->stored);
	*u = (struct unpacker){};
}

static int use_codec(struct unpacker *u, const struct codec *codec, struct err *e)
{
	if (u->expander && u->codec == codec)
		return 0;
	leave_codec(u);
	u->codec = codec;
	u->expander = codec->open();
	return u->expander ? 0 : err_code(e, ENOMEM, "memory for %s", codec->name);
}

/* From the last page on, each to its place; what is not there is zero. */
static void spread(char *data, size_t pages, uint64_t present)
{
	size_t from = __builtin_popcountll(present);

	for (size_t n = pages; n-- > 0;) {
		if (!(present >> n & 1))
			memset(data + n * PAGE_SIZE, 0, PAGE_SIZE);
		else if (--from != n)
			memcpy(data + n * PAGE_SIZE, data + from * PAGE_SIZE, PAGE_SIZE);
	}
}

int unpacker_expand(struct unpacker *u, const struct codec *codec, const struct packed_chunk *c,
		    size_t pages, struct err *e)
{
	size_t full = packed_full_size(c);

	if (!(c->flags & PACKED_RAW) && c->size) {
		if (use_codec(u, codec, e) < 0)
			return e->code;
		if (u->codec->expand(u->expander, u->data, full, u->stored, c->size) !=
		    (ssize_t)full)
			return 1;
	}
	spread(u->data, pages, c->present);
	return 0;
}

static int take_stored(struct unpacker *u, const struct packed *p, uint64_t chunk, struct err *e)
{
	const struct packed_chunk *c = &p->index[chunk];
	char *to = c->flags & PACKED_RAW ? u->data : u->stored;
	int r;

	if (read_part(p, to, c->size, c->at, e) < 0)
		return e->code;
	if (c->size && checksum(to, c->size) != c->checksum)
		return err_say(e, "'%s' is damaged: the checksum of chunk %lu is another one",
			       p->name, chunk);
	r = unpacker_expand(u, p->codec, c, chunk_bytes(p, chunk) / PAGE_SIZE, e);
	if (r <= 0)
		return r;
	return err_say(e, "'%s' is damaged: chunk %lu does not expand to its %zu bytes", p->name,
		       chunk, packed_full_size(c));
}

int unpacker_take(struct unpacker *u, const struct packed *p, uint64_t chunk, struct err *e)
{
	if (u->file == p && u->chunk == chunk)
		return 0;
	u->file = NULL;
	if (p->plain ? plain_read(p, chunk, u->data, e) < 0 : take_stored(u, p, chunk, e) < 0)
		return e->code;
	u->file = p;
	u->chunk = chunk;
	return 0;
}

/* The pages at w, or those of them that are in its first chunk. Those of other chunks than p's own are kept elsewhere. */
static const char *take_pages(struct unpacker *u, const struct packed *p, struct packed_where *w,
			      struct err *e)
{
	uint64_t per_chunk = w->file->chunk_size / PAGE_SIZE, chunk = w->page / per_chunk;
	uint64_t from = w->page % per_chunk;
	struct unpack_slot *slot;

	w->count = w->is_same ? 1 : w->count < per_chunk - from ? w->count : per_chunk - from;
	if (w->file == p && !w->is_ref)
		return unpacker_take(u, p, chunk, e) < 0 ? NULL : u->data + from * PAGE_SIZE;
	slot = unpack_cache_find(&u->cache, w->file, chunk, e);
	if (!slot)
		return NULL;
	if (!slot->file && unpacker_take(&slot->unpacker, w->file, chunk, e) < 0)
		return NULL;
	slot->file = w->file;
	slot->chunk = chunk;
	return slot->unpacker.data + from * PAGE_SIZE;
}

int unpacker_copy(struct unpacker *u, const struct packed *p, struct packed_part part,
		  struct err *e)
{
	for (size_t done = 0; done < part.size;) {
		uint64_t at = part.at + done, left = part.size - done;
		size_t skip = at % PAGE_SIZE, size;
		struct packed_where w =
			packed_where(p, at / PAGE_SIZE, (skip + left + PAGE_SIZE - 1) / PAGE_SIZE);
		const char *data = take_pages(u, p, &w, e);

		if (!data)
			return e->code;
		size = w.count * PAGE_SIZE - skip;
		size = size < left ? size : left;
		memcpy(part.to + done, data + skip, size);
		done += size;
	}
	return 0;
}

void packed_forget(struct packed *p)
{
	if (p->own)
		unpacker_end(p->own);
	free(p->own);
	p->own = NULL;
}

const char *packed_page(struct packed *p, uint64_t offset, struct err *e)
{
	if (offset >= p->bytes) {
		err_say(e, "'%s' is cut short", p->name);
		return NULL;
	}
	if (!p->own) {
		p->own = calloc(1, sizeof(*p->own));
		if (!p->own || unpacker_begin(p->own, e) < 0) {
			err_code(e, ENOMEM, "memory for compressed pages");
			return NULL;
		}
	}
	struct packed_where w = packed_where(p, offset / PAGE_SIZE, 1);
	return take_pages(p->own, p, &w, e);
}

int packed_read(struct packed *p, void *buf, size_t size, uint64_t offset, struct err *e)
{
	for (size_t done = 0; done < size;) {
		size_t skip = (offset + done) % PAGE_SIZE, part = PAGE_SIZE - skip;
		const char *page = packed_page(p, offset + done, e);

		if (!page)
			return e->code;
		part = part < size - done ? part : size - done;
		memcpy((char *)buf + done, page + skip, part);
		done += part;
	}
	return 0;
}
