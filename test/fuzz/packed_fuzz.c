/*
 * Any index and any references in two files of compressed pages that lead to each other, with checksums that are right, so
 * that nothing is refused for these: read as restore and convert do. What is taken has to be the same by both ways.
 *
 *	make fuzz		a minute of it
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/packed.h"
#include "images/packed.pb-c.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHUNKS = 3, REFS = 12, PAGES = CHUNKS * 32, STORED = 4096 };

/* How the bytes of an input are read: each is small, so that many are nearly right. */
struct input {
	uint8_t codec, chunks, refs, left;
	struct {
		uint32_t present;
		uint16_t size;
		uint8_t flags, move;
	} index[CHUNKS];
	struct {
		uint8_t page, from, count, id;
	} ref[REFS];
	uint8_t stored[64];
} __attribute__((packed));

static int folder(void)
{
	static char path[] = "/dev/shm/stasis-fuzz.XXXXXX";
	static int fd = -1;

	if (fd < 0 && mkdtemp(path))
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}

/* A head that is right; returns where the chunks begin. */
static uint64_t put_head(int fd, const struct input *in)
{
	static const char *const codecs_of[] = { PACKED_NO_CODEC, "lz4", "zstd" };
	PackedHead head = PACKED_HEAD__INIT;
	own_image i = {};
	struct err e;

	head.version = PACKED_ONCE;
	head.codec = (char *)codecs_of[in->codec % 3];
	head.chunk_size = PACKED_CHUNK;
	assert(image_create_fd(&i, dup(fd), IMG_PACKED, "image", &e) == 0);
	assert(image_write(&i, &head, &e) == 0 && image_flush(&i, &e) == 0);
	return i.at;
}

/* Chunks behind each other, unless the input wants to move them. */
static uint64_t put_chunks(int fd, const struct input *in, uint64_t at, struct packed_chunk *index)
{
	char stored[64 << 10];

	for (size_t n = 0; n < in->chunks % (CHUNKS + 1); n++) {
		struct packed_chunk *c = &index[n];

		*c = (struct packed_chunk){ .present = in->index[n].present,
					    .flags = in->index[n].flags % 3 };
		c->size = c->flags & PACKED_RAW ? packed_full_size(c) : in->index[n].size;
		for (size_t i = 0; i < sizeof(stored); i++)
			stored[i] = in->stored[i % sizeof(in->stored)] + i / PAGE_SIZE;
		c->size = c->size < sizeof(stored) ? c->size : sizeof(stored);
		c->at = c->size ? at : 0;
		c->checksum = checksum(stored, c->size);
		assert(pwrite(fd, stored, c->size, at) == (ssize_t)c->size);
		at += c->size;
		c->at += in->index[n].move % 16 == 1;
	}
	return at;
}

static void put_file(uint64_t id, const struct input *in)
{
	char name[IMAGE_NAME_MAX], head[256];
	struct packed_chunk index[CHUNKS] = {};
	struct packed_ref refs[REFS] = {};
	struct packed_tail tail = { .chunks = in->chunks % (CHUNKS + 1), .end = PACKED_END };
	size_t count = in->refs % (REFS + 1), size = tail.chunks * sizeof(*index);
	own_fd fd = openat(folder(), image_name(name, IMG_PACKED, id),
			   O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t start = put_head(fd, in);

	tail.index_at = put_chunks(fd, in, start, index);
	tail.bytes = tail.chunks * PACKED_CHUNK;
	tail.bytes -= tail.chunks ? in->left % 32 * PAGE_SIZE : 0;
	for (size_t n = 0; n < count; n++)
		refs[n] = (struct packed_ref){ in->ref[n].page, in->ref[n].from,
					       in->ref[n].count % 128 |
						       (in->ref[n].count & 128 ? PACKED_SAME : 0),
					       in->ref[n].id % 3 + 1 };
	assert(start < sizeof(head) && pread(fd, head, start, 0) == (ssize_t)start);
	tail.checksum = checksum_on(index, size, checksum(head, start));
	tail.checksum = checksum_on(refs, count * sizeof(*refs), tail.checksum);
	tail.checksum = checksum_on(&tail, offsetof(struct packed_tail, checksum), tail.checksum);
	assert(pwrite(fd, index, size, tail.index_at) >= 0);
	assert(pwrite(fd, refs, count * sizeof(*refs), tail.index_at + size) >= 0);
	assert(pwrite(fd, &tail, sizeof(tail), tail.index_at + size + count * sizeof(*refs)) > 0);
}

static void read_all(struct packed *p)
{
	own_mem char *all = malloc(p->bytes + 1);
	struct unpacker u;
	struct err e = {};
	int r;

	assert(all && unpacker_begin(&u, &e) == 0);
	r = unpacker_copy(&u, p, (struct packed_part){ all, p->bytes, 0 }, &e);
	unpacker_end(&u);
	assert(r == 0 || e.text[0]);
	for (uint64_t at = p->bytes; at > 0; at -= PAGE_SIZE) {
		const char *page = packed_page(p, at - PAGE_SIZE, &e);

		assert(page || e.text[0]);
		assert(r < 0 || (page && memcmp(page, all + at - PAGE_SIZE, PAGE_SIZE) == 0));
	}
	assert(packed_zero_pages(p) <= p->bytes / PAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packed_files files = {};
	struct input in[2] = {};

	memcpy(in, data, size < sizeof(in) ? size : sizeof(in));
	for (uint64_t id = 1; id <= 2; id++)
		put_file(id, &in[id - 1]);
	for (uint64_t id = 1; id <= 2; id++) {
		struct packed *p = NULL;
		struct err e = {};

		if (packed_files_open(&p, &files, folder(), id, &e) == 0)
			read_all(p);
		else
			assert(strncmp(e.text, "'stasis-pages-", 14) == 0);
	}
	packed_files_close(&files);
	return 0;
}
