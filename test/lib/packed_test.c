/* Compressed pages: what is put in comes out, whatever it is, and a file that is not as it should be is refused. */
#include <errno.h>
#include <string.h>

#include "images/packed.h"
#include "images/page_sink.h"
#include "images/pages.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

#define NAME "stasis-pages-1.img"
#define DAMAGED "'" NAME "' is damaged: "
enum { CHUNKS = 5, PAGES = CHUNKS * 32 - 7, SIZE = PAGES * 4096 };

static struct err e;

/* Every chunk another sort: random, words, all zero, every other page zero, and a short one of words. */
static void fill(char *at)
{
	uint64_t state = 88172645463325252ULL;

	memset(at, 0, SIZE);
	for (size_t i = 0; i < SIZE; i += 8) {
		size_t chunk = i / PACKED_CHUNK, page = i / PAGE_SIZE;
		uint64_t word = i % 4096 * 31;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		if (chunk == 0)
			word = state;
		else if (chunk == 2 || (chunk == 3 && page % 2))
			word = 0;
		memcpy(at + i, &word, 8);
	}
}

struct memory {
	struct page_source source;
	char *at;
};

static int from_memory(const struct page_source *source, struct page_piece *p, char *buf,
		       struct err *err)
{
	(void)err;
	memcpy(buf, ((const struct memory *)source)->at + p->at, p->size);
	return 0;
}

/* stasis-pages-1.img, or pages-1.img without a codec. Returns what it holds. */
static char *make(const struct folder *f, const char *codec)
{
	struct memory m = { { from_memory }, malloc(SIZE) };
	struct compression how = {};
	struct page_sink sink = {};

	fill(m.at);
	assert(!codec || compression_parse(&how, codec, &e) == 0);
	assert(page_sink_begin(&sink, f->fd, 1, how, &e) == 0);
	assert(page_pump(&m.source, SIZE, &sink, &e) == 0);
	assert(sink.zero_pages == 32 + 16);
	assert(page_sink_finish(&sink, SIZE, "test", &e) == 0);
	page_sink_drop(&sink);
	return m.at;
}

static void round_trip(const char *codec)
{
	own_folder f = folder_make();
	own_mem char *was = make(&f, codec);
	own_mem char *is = malloc(SIZE);
	own_packed *p = NULL;

	assert(packed_open(&p, f.fd, 1, &e) == 0);
	assert(p->bytes == SIZE && p->chunk_count == CHUNKS && packed_zero_pages(p) == 48);
	assert(p->index[0].flags == PACKED_RAW && p->index[0].size == PACKED_CHUNK);
	assert(p->index[2].size == 0 && p->index[3].present == 0x55555555);
	assert(packed_stored(p) < PACKED_CHUNK + SIZE / 4);
	assert(packed_read(p, is, SIZE, 0, &e) == 0 && memcmp(is, was, SIZE) == 0);
	/* From the middle of one into the next. */
	assert(packed_read(p, is, PACKED_CHUNK, 3 * PACKED_CHUNK - 1000, &e) == 0);
	assert(memcmp(is, was + 3 * PACKED_CHUNK - 1000, PACKED_CHUNK) == 0);
	assert(memcmp(packed_page(p, 5 * PAGE_SIZE, &e), was + 5 * PAGE_SIZE, PAGE_SIZE) == 0);
	assert(!packed_page(p, SIZE, &e));
}

static void what_goes_in_comes_out(void)
{
	round_trip("zstd");
	round_trip("zstd:19");
	round_trip("lz4");
	round_trip("lz4:3");
	round_trip("lz4:12");
}

static void plain_pages_have_holes(void)
{
	own_folder f = folder_make();
	own_mem char *was = make(&f, NULL);
	own_mem char *is = malloc(SIZE);
	own_fd fd = openat(f.fd, "pages-1.img", O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert(fd >= 0 && fstat(fd, &st) == 0);
	assert(st.st_size == SIZE && st.st_blocks * 512 <= SIZE - 48 * 4096);
	assert(io_pread(fd, is, SIZE, 0, &e) == 0 && memcmp(is, was, SIZE) == 0);
}

/* The other sort of an earlier dump does not stay. */
static void one_sort_at_a_time(void)
{
	own_folder f = folder_make();

	free(make(&f, "lz4"));
	free(make(&f, NULL));
	assert(faccessat(f.fd, NAME, F_OK, 0) < 0);
	free(make(&f, "zstd"));
	assert(faccessat(f.fd, "pages-1.img", F_OK, 0) < 0);
}

/* A file that was read into memory, changed, and sealed again, so that checksums do not betray the change. */
struct forged {
	struct folder f;
	char *data;
	size_t size;
	size_t index_at, tail_at;
	struct packed_tail tail;
	struct packed_chunk index[CHUNKS];
};

static void forge_free(struct forged *g)
{
	free(g->data);
	folder_remove(&g->f);
}

#define own_forged __attribute__((cleanup(forge_free))) struct forged

static struct forged forge(const char *codec)
{
	struct forged g = { .f = folder_make() };

	free(make(&g.f, codec));
	assert(io_slurp(g.f.fd, NAME, &g.data, &g.size, &e) == 0);
	g.tail_at = g.size - sizeof(g.tail);
	g.index_at = g.tail_at - sizeof(g.index);
	memcpy(&g.tail, g.data + g.tail_at, sizeof(g.tail));
	memcpy(g.index, g.data + g.index_at, sizeof(g.index));
	return g;
}

static void seal(struct forged *g)
{
	uint32_t record;
	uint64_t sum;

	memcpy(&record, g->data + 8, sizeof(record));
	sum = checksum(g->data, 12 + record);
	sum = checksum_on(g->index, sizeof(g->index), sum);
	g->tail.checksum = checksum_on(&g->tail, offsetof(struct packed_tail, checksum), sum);
	memcpy(g->data + g->index_at, g->index, sizeof(g->index));
	memcpy(g->data + g->tail_at, &g->tail, sizeof(g->tail));
	folder_put(&g->f, NAME, g->data, g->size);
}

/* All of it, as a restore would. */
static int read_all(const struct folder *f)
{
	own_mem char *is = malloc(SIZE);
	own_packed *p = NULL;

	if (packed_open(&p, f->fd, 1, &e) < 0)
		return e.code;
	return packed_read(p, is, SIZE, 0, &e);
}

/* The chunk's contents are as given, by its checksum too. */
static void set_chunk(struct forged *g, size_t n, const void *data, size_t size)
{
	assert(size <= g->index[n].size);
	memset(g->data + g->index[n].at, 0, g->index[n].size);
	memcpy(g->data + g->index[n].at, data, size);
	g->index[n].checksum = checksum(g->data + g->index[n].at, g->index[n].size);
	seal(g);
}

static void sealed_again_is_good(void)
{
	own_forged g = forge("zstd");

	seal(&g);
	assert(read_all(&g.f) == 0);
}

/* Chunk 1 becomes one that is as large as chunks come, and says that it has only so many pages. */
static void more_than_its_size(const char *codec)
{
	own_forged g = forge(codec);

	g.index[1].present = 0xfff;
	seal(&g);
	assert(read_all(&g.f) == -EINVAL);
	must_say(&e, DAMAGED "chunk 1 does not expand to its 49152 bytes");
}

static void less_than_its_size(const char *codec)
{
	own_forged g = forge(codec);
	char small[256];
	const struct codec *c = codec_find(codec);
	void *compressor = c->begin(1);
	size_t n = c->compress(compressor, small, sizeof(small), "a few bytes, and no more", 24);

	c->end(compressor);
	assert(n);
	set_chunk(&g, 1, small, n);
	assert(read_all(&g.f) == -EINVAL);
	must_say(&e, DAMAGED "chunk 1 does not expand to its 131072 bytes");
}

static void garbage(const char *codec)
{
	own_forged g = forge(codec);
	char bytes[64];

	memset(bytes, 0xf1, sizeof(bytes));
	set_chunk(&g, 1, bytes, sizeof(bytes));
	assert(read_all(&g.f) == -EINVAL);
	must_say(&e, DAMAGED "chunk 1 does not expand to its 131072 bytes");
}

static void chunks_that_lie(void)
{
	for (int i = 0; codecs[i]; i++) {
		more_than_its_size(codecs[i]->name);
		less_than_its_size(codecs[i]->name);
		garbage(codecs[i]->name);
	}
}

static void must_refuse(struct forged *g, const char *sentence)
{
	seal(g);
	e = (struct err){};
	assert(read_all(&g->f) == -EINVAL);
	must_say(&e, sentence);
	forge_free(g);
	*g = forge("lz4");
}

static void indexes_that_lie(void)
{
	own_forged g = forge("lz4");

	g.index[1].at = g.index[0].at;
	must_refuse(&g, DAMAGED "chunk 1 is not where it should be");
	g.index[1].at = g.size;
	must_refuse(&g, DAMAGED "chunk 3 is not where it should be");
	g.index[1].at = UINT64_MAX - 10;
	must_refuse(&g, DAMAGED "chunk 3 is not where it should be");
	g.index[1].size--;
	must_refuse(&g, DAMAGED "chunk 3 is not where it should be");
	g.index[4].size--;
	must_refuse(&g, DAMAGED "1 bytes of it belong to no chunk");
	g.index[1].size = UINT32_MAX;
	must_refuse(&g, DAMAGED "chunk 1 is larger than what it expands to");
	g.index[0].size--;
	must_refuse(&g, DAMAGED "chunk 0 is stored as it is, and of another size");
	g.index[4].present |= 1ULL << 40;
	must_refuse(&g, DAMAGED "chunk 4 has more pages than it can have");
	g.index[2].present = 1;
	must_refuse(&g, DAMAGED "chunk 2 is empty, or not, against what its index says");
	g.index[1].flags = 4;
	must_refuse(&g, DAMAGED "chunk 1 has flags that are not known");
	g.tail.bytes += PAGE_SIZE * 32;
	must_refuse(&g, DAMAGED "it has 5 chunks for 757760 bytes");
	g.tail.chunks = UINT64_MAX / 32;
	must_refuse(&g, DAMAGED "its index is not where it should be");
	g.tail.index_at -= 32;
	must_refuse(&g, DAMAGED "its index is not where it should be");
}

/* Nothing that is cut off, and no byte that is another, goes unnoticed. */
static void any_damage(void)
{
	own_forged g = forge("zstd");

	for (size_t size = 0; size < g.size; size += size < 100 ? 1 : 977) {
		folder_put(&g.f, NAME, g.data, size);
		assert(read_all(&g.f) < 0 && strstr(e.text, NAME));
	}
	for (size_t at = 0; at < g.size; at += at < 100 || at + 300 > g.size ? 1 : 1009) {
		g.data[at] ^= 0x10;
		folder_put(&g.f, NAME, g.data, g.size);
		assert(read_all(&g.f) < 0 && strstr(e.text, NAME));
		g.data[at] ^= 0x10;
	}
	folder_put(&g.f, NAME, g.data, g.size);
	assert(read_all(&g.f) == 0);
}

/* A page map in this folder, whose pages hold their mark. */
static void make_map(const struct folder *f, uint32_t flags[8], int mark, const char *codec)
{
	own_pagemap_writer w = { .dir_fd = f->fd, .kind = IMG_PAGEMAP, .id = 5, .pages_id = 1 };
	struct memory m = { { from_memory }, malloc(8 * PAGE_SIZE) };

	assert(!codec || compression_parse(&w.how, codec, &e) == 0);
	memset(m.at, mark, 8 * PAGE_SIZE);
	assert(pagemap_writer_begin(&w, &e) == 0);
	for (int i = 0; i < 8; i++)
		assert(!flags[i] || pagemap_writer_add(&w, i * PAGE_SIZE, 1, flags[i], &e) == 0);
	assert(page_pump(&m.source, w.size, &w.sink, &e) == 0);
	assert(pagemap_writer_finish(&w, &e) == 0);
	free(m.at);
}

static int mark_at(const struct stored_pages *p, uint64_t vaddr)
{
	const struct stored_run *run = stored_pages_find(p, vaddr);
	char mark = 0;

	assert(run && run->vaddr <= vaddr);
	assert(stored_run_read(run, &mark, 1, run->offset + vaddr - run->vaddr + 77, &e) == 0);
	return mark;
}

static void chains_may_mix(void)
{
	enum { P = PE_PRESENT, O = PE_PARENT };
	own_folder a = folder_make(), b = folder_make(), c = folder_make();
	static const int want[8] = { 1, 2, 3, 2, 1, 3, 2, 1 };
	own_stored_pages p = {};

	make_map(&a, (uint32_t[8]){ P, P, P, P, P, P, P, P }, 1, "zstd");
	make_map(&b, (uint32_t[8]){ O, P, P, P, O, O, P, O }, 2, NULL);
	make_map(&c, (uint32_t[8]){ O, O, P, O, O, P, O, O }, 3, "lz4");
	assert(symlinkat(a.path, b.fd, "parent") == 0);
	assert(symlinkat(b.path, c.fd, "parent") == 0);
	assert(stored_pages_load(&p, c.fd, IMG_PAGEMAP, 5, &e) == 0);
	assert(p.fd_count == 1 && p.packed_count == 2);
	for (int i = 0; i < 8; i++)
		assert(mark_at(&p, i * PAGE_SIZE) == want[i]);
}

static void the_map_counts(void)
{
	own_folder f = folder_make();
	own_stored_pages p = {};

	make_map(&f, (uint32_t[8]){ PE_PRESENT, PE_PRESENT }, 1, "zstd");
	free(make(&f, "zstd"));
	assert(stored_pages_load(&p, f.fd, IMG_PAGEMAP, 5, &e) == -EINVAL);
	must_say(&e, "'" NAME "' has 626688 bytes of pages, but by 'pagemap-5.img' it has 8192");
	unlinkat(f.fd, NAME, 0);
	assert(stored_pages_load(&p, f.fd, IMG_PAGEMAP, 5, &e) == -ENOENT);
	must_say(&e, "'pages-1.img' of 'pagemap-5.img' is missing");
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(what_goes_in_comes_out),
		UNIT(plain_pages_have_holes),
		UNIT(one_sort_at_a_time),
		UNIT(sealed_again_is_good),
		UNIT(chunks_that_lie),
		UNIT(indexes_that_lie),
		UNIT(any_damage),
		UNIT(chains_may_mix),
		UNIT(the_map_counts),
		{},
	});
}
