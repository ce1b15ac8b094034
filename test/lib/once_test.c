/* Equal pages are stored once, whatever the threads do, and references that are not as they should be are refused. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "images/packed.h"
#include "images/page_sink.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/folder.h"
#include "test/lib/said.h"
#include "test/lib/unit.h"

#define NAME "stasis-pages-1.img"
#define DAMAGED "'" NAME "' is damaged: "
enum { PAGES = 4096, SIZE = PAGES * 4096, KINDS = 700 };

static struct err e;

/* Contents that differ in their last bytes only; 0: zeros. */
static void put(char *page, uint32_t kind)
{
	memset(page, kind ? 'p' : 0, PAGE_SIZE);
	memcpy(page + PAGE_SIZE - sizeof(kind), &kind, sizeof(kind));
}

struct memory {
	struct page_source source;
	uint32_t (*kind)(uint64_t page);
};

static int from_kinds(const struct page_source *source, struct page_piece *p, char *buf,
		      struct err *err)
{
	const struct memory *m = (const struct memory *)source;

	(void)err;
	for (uint64_t at = 0; at < p->size; at += PAGE_SIZE)
		put(buf + at, m->kind((p->at + at) / PAGE_SIZE));
	return 0;
}

/* Every stretch that one thread takes is the same as the one that another one takes at the same moment. */
static uint32_t in_pairs(uint64_t page)
{
	return page / 64 * 32 + page % 32 + 1;
}

static uint32_t apart(uint64_t page)
{
	return page % 5 ? page * 7919 % KINDS + 1 : 0;
}

static uint32_t few(uint64_t page)
{
	return page % (KINDS / 2) + 1;
}

static uint32_t all_the_same(uint64_t page)
{
	(void)page;
	return 77;
}

static uint32_t all_different(uint64_t page)
{
	return page + 1;
}

/* stasis-pages-ID.img of these kinds. Returns how many pages were found to be stored elsewhere. */
static uint64_t make(struct compression how, const struct folder *f, uint64_t id,
		     uint32_t (*kind)(uint64_t page))
{
	struct memory m = { { from_kinds }, kind };
	struct page_sink sink = {};
	uint64_t twins;

	assert(page_sink_begin(&sink, f->fd, id, how, &e) == 0);
	assert(page_pump(&m.source, SIZE, &sink, &e) == 0);
	assert(page_sink_finish(&sink, SIZE, "test", &e) == 0);
	twins = sink.twin_pages;
	page_sink_drop(&sink);
	return twins;
}

static void must_hold(const struct folder *f, uint64_t id, uint32_t (*kind)(uint64_t page))
{
	char page[PAGE_SIZE];
	own_mem char *all = malloc(SIZE);
	struct packed_files files = {};
	struct packed *p = NULL;
	struct unpacker u;

	assert(all && unpacker_begin(&u, &e) == 0);
	MUST(packed_files_open(&p, &files, f->fd, id, e));
	MUST(unpacker_copy(&u, p, (struct packed_part){ all, SIZE, 0 }, e));
	for (uint64_t n = 0; n < PAGES; n++) {
		put(page, kind(n));
		assert(memcmp(page, all + n * PAGE_SIZE, PAGE_SIZE) == 0);
	}
	/* One by one, from behind, and from the middle of one into the next. */
	for (uint64_t n = PAGES; n-- > 0;) {
		put(page, kind(n));
		assert(memcmp(page, packed_page(p, n * PAGE_SIZE, &e), PAGE_SIZE) == 0);
	}
	MUST(packed_read(p, page, PAGE_SIZE, 9 * PAGE_SIZE + 100, e));
	assert(memcmp(page, all + 9 * PAGE_SIZE + 100, PAGE_SIZE) == 0);
	unpacker_end(&u);
	packed_files_close(&files);
}

static uint64_t different(uint32_t (*kind)(uint64_t page))
{
	static bool seen[PAGES + 1];
	uint64_t count = 0;

	memset(seen, 0, sizeof(seen));
	for (uint64_t n = 0; n < PAGES; n++) {
		count += kind(n) && !seen[kind(n)];
		seen[kind(n)] = true;
	}
	return count;
}

static uint64_t zeros(uint32_t (*kind)(uint64_t page))
{
	uint64_t count = 0;

	for (uint64_t n = 0; n < PAGES; n++)
		count += !kind(n);
	return count;
}

static void round_trip(const char *codec, uint32_t (*kind)(uint64_t page))
{
	own_folder f = folder_make();
	struct compression how = { .once = true };
	uint64_t full = PAGES - zeros(kind);

	assert(!codec || compression_parse(&how, codec, &e) == 0);
	assert(seen_begin(&how.seen, f.fd, &e) == 0);
	assert(make(how, &f, 1, kind) == full - different(kind));
	/* All that it has was there before; and once more, behind something else. */
	assert(make(how, &f, 2, kind) == full);
	assert(make(how, &f, 3, all_different) == different(kind));
	assert(make(how, &f, 4, kind) == full);
	seen_end(&how.seen);
	for (uint64_t id = 1; id <= 4; id++)
		must_hold(&f, id, id == 3 ? all_different : kind);
	assert(folder_file_size(&f, "stasis-pages-2.img") < 256 << 10);
	assert(kind != all_the_same || folder_file_size(&f, "stasis-pages-2.img") < 6000);
}

static void each_is_stored_once(void)
{
	static const char *const all[] = { NULL, "zstd", "lz4" };

	for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++) {
		round_trip(all[n], in_pairs);
		round_trip(all[n], apart);
		round_trip(all[n], all_the_same);
		round_trip(all[n], all_different);
	}
}

/* A hash that is the same by accident, or because somebody has made it so, makes no pages equal. */
static void hashes_are_not_believed(void)
{
	static const char *const all[] = { NULL, "lz4" };

	for (size_t n = 0; n < sizeof(all) / sizeof(*all); n++) {
		own_folder f = folder_make();
		struct compression how = { .once = true };

		assert(!all[n] || compression_parse(&how, all[n], &e) == 0);
		assert(seen_begin(&how.seen, f.fd, &e) == 0);
		seen_weaken(how.seen);
		make(how, &f, 1, apart);
		make(how, &f, 2, in_pairs);
		make(how, &f, 3, all_different);
		seen_end(&how.seen);
		must_hold(&f, 1, apart);
		must_hold(&f, 2, in_pairs);
		must_hold(&f, 3, all_different);
	}
}

/* What was not finished does not count, and nothing leads to it. */
static void what_is_dropped_is_forgotten(void)
{
	own_folder f = folder_make();
	struct compression how = { .once = true };
	struct memory m = { { from_kinds }, apart };
	struct page_sink sink = {};

	assert(seen_begin(&how.seen, f.fd, &e) == 0);
	assert(page_sink_begin(&sink, f.fd, 9, how, &e) == 0);
	assert(page_pump(&m.source, SIZE, &sink, &e) == 0);
	page_sink_drop(&sink);
	assert(unlinkat(f.fd, "stasis-pages-9.img", 0) == 0);
	assert(make(how, &f, 1, apart) == PAGES - zeros(apart) - different(apart));
	seen_end(&how.seen);
	must_hold(&f, 1, apart);
}

/* It has only the alignment of pages in the file. */
typedef struct packed_ref packed_ref_anywhere __attribute__((aligned(1)));

/* A file that was read into memory, changed, and sealed again, so that checksums do not betray the change. */
struct forged {
	struct folder f;
	char *data;
	size_t size, head, refs_at, count;
	struct packed_tail tail;
	packed_ref_anywhere *refs;
};

static void forge_free(struct forged *g)
{
	free(g->data);
	folder_remove(&g->f);
}

#define own_forged __attribute__((cleanup(forge_free))) struct forged

/* With one thread, so that it is the same each time. */
static void use_one_processor(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	assert(sched_setaffinity(0, sizeof(one), &one) == 0);
}

/* File 1 leads to itself, and to file 2. */
static struct forged forge(void)
{
	struct forged g = { .f = folder_make() };
	struct compression how = { .once = true };
	uint32_t record;

	use_one_processor();
	assert(seen_begin(&how.seen, g.f.fd, &e) == 0);
	make(how, &g.f, 2, few);
	make(how, &g.f, 1, apart);
	seen_end(&how.seen);
	assert(io_slurp(g.f.fd, NAME, &g.data, &g.size, &e) == 0);
	memcpy(&record, g.data + 8, sizeof(record));
	memcpy(&g.tail, g.data + g.size - sizeof(g.tail), sizeof(g.tail));
	g.head = 12 + record;
	g.refs_at = g.tail.index_at + g.tail.chunks * sizeof(struct packed_chunk);
	g.refs = (packed_ref_anywhere *)(g.data + g.refs_at);
	g.count = (g.size - sizeof(g.tail) - g.refs_at) / sizeof(*g.refs);
	assert(g.count > 100 && g.refs_at % 8 == (size_t)((char *)g.refs - g.data) % 8);
	return g;
}

/* Its references alone can be told to be wrong when it is opened, others when those it leads to are. */
static void must_refuse(struct forged *g, const char *sentence)
{
	struct packed_files files = {};
	struct packed *p = NULL;
	uint64_t sum = checksum(g->data, g->head);

	sum = checksum_on(g->data + g->tail.index_at, g->refs_at - g->tail.index_at, sum);
	sum = checksum_on(g->refs, g->count * sizeof(*g->refs), sum);
	g->tail.checksum = checksum_on(&g->tail, offsetof(struct packed_tail, checksum), sum);
	memcpy(g->data + g->size - sizeof(g->tail), &g->tail, sizeof(g->tail));
	folder_put(&g->f, NAME, g->data, g->size);
	e = (struct err){};
	if (!sentence) {
		assert(packed_files_open(&p, &files, g->f.fd, 1, &e) == 0);
	} else {
		assert(packed_files_open(&p, &files, g->f.fd, 1, &e) == -EINVAL);
		must_say(&e, sentence);
	}
	packed_files_close(&files);
	forge_free(g);
	*g = forge();
}

static uint32_t count_of(const struct forged *g, size_t n)
{
	struct packed_ref r = g->refs[n];

	return packed_ref_count(&r);
}

/* Reference n, as a sentence names it, and what it says of it. */
static const char *of(const struct forged *g, size_t n, const char *what)
{
	static char text[512];

	snprintf(text, sizeof(text), DAMAGED "reference %zu, at offset %zu, %s", n,
		 g->refs_at + n * sizeof(*g->refs), what);
	return text;
}

/* A page of file 1 that is no reference: it is stored, or zero. */
static uint64_t no_ref(const struct forged *g, bool is_zero)
{
	for (uint64_t page = 0, n = 0; page < PAGES; page++) {
		while (n < g->count && g->refs[n].page + count_of(g, n) <= page)
			n++;
		if ((n == g->count || g->refs[n].page > page) && !apart(page) == is_zero)
			return page;
	}
	return UINT64_MAX;
}

static size_t leads_to(const struct forged *g, uint32_t id)
{
	size_t n = 0;

	while (g->refs[n].pages_id != id)
		n++;
	return n;
}

static void as_it_was(void)
{
	own_forged g = forge();

	must_refuse(&g, NULL);
}

static void references_out_of_order(void)
{
	own_forged g = forge();

	g.refs[3].count = 0;
	must_refuse(&g, of(&g, 3, "is about no page"));
	g.refs[3].count = PACKED_SAME;
	must_refuse(&g, of(&g, 3, "is about no page"));
	g.refs[3].count = PACKED_SAME | PAGES;
	must_refuse(&g, of(&g, 3, "goes beyond the end of the pages"));
	g.refs[2].count |= PACKED_SAME;
	g.refs[2].from = PAGES;
	must_refuse(&g, of(&g, 2, "leads beyond the pages of 'stasis-pages-2.img'"));
	g.refs[3].page = g.refs[2].page;
	must_refuse(&g, of(&g, 3, "is out of order, or about the same pages as the one before"));
	g.refs[g.count - 1].page = PAGES;
	must_refuse(&g, of(&g, g.count - 1, "goes beyond the end of the pages"));
	g.refs[g.count - 1].page = UINT64_MAX;
	must_refuse(&g, of(&g, g.count - 1, "goes beyond the end of the pages"));
	g.refs[g.count - 1].count = UINT32_MAX;
	must_refuse(&g, of(&g, g.count - 1, "goes beyond the end of the pages"));
	g.refs[0].count = PAGES - g.refs[0].page;
	must_refuse(&g, of(&g, 0, "is about a page that is stored here as well"));
}

static void references_to_nowhere(void)
{
	own_forged g = forge();
	size_t other = leads_to(&g, 2), own = leads_to(&g, 1);
	char missing[256];

	g.refs[other].from = PAGES;
	must_refuse(&g, of(&g, other, "leads beyond the pages of 'stasis-pages-2.img'"));
	g.refs[other].from = UINT64_MAX;
	must_refuse(&g, of(&g, other, "leads beyond the pages of 'stasis-pages-2.img'"));
	g.refs[own].from = PAGES + 1;
	must_refuse(&g, of(&g, own, "leads beyond the pages of '" NAME "'"));
	g.refs[other].pages_id = 7;
	snprintf(missing, sizeof(missing),
		 "'" NAME "' cannot be read: reference %zu, at offset %zu, leads to "
		 "'stasis-pages-7.img', which is missing",
		 other, g.refs_at + other * sizeof(*g.refs));
	must_refuse(&g, missing);
}

static void must_not_lead_to(size_t ref, uint64_t page)
{
	own_forged g = forge();
	char what[128];

	if (ref == SIZE_MAX)
		ref = leads_to(&g, 1);
	if (page == UINT64_MAX)
		page = g.refs[ref].page; /* to itself */
	g.refs[ref].from = page;
	g.refs[ref].pages_id = 1;
	snprintf(what, sizeof(what), "leads to page %lu of '" NAME "', which is not stored there",
		 page);
	must_refuse(&g, of(&g, ref, what));
}

static void references_that_lead_on(void)
{
	own_forged g = forge();

	must_not_lead_to(SIZE_MAX, UINT64_MAX);
	must_not_lead_to(5, g.refs[6].page);
	must_not_lead_to(6, g.refs[5].page);
	must_not_lead_to(6, no_ref(&g, true));
}

/* What is stored here and there could be either. */
static void references_about_stored_pages(void)
{
	own_forged g = forge();
	uint64_t page = no_ref(&g, false);
	size_t n = 0;

	while (g.refs[n].page + count_of(&g, n) <= page)
		n++;
	g.refs[n].page = page;
	must_refuse(&g, of(&g, n, "is about a page that is stored here as well"));
}

/* A file that others lead to may be written anew, as one that stores each page. */
static void written_anew(void)
{
	own_forged g = forge();
	struct compression how = {};

	assert(compression_parse(&how, "lz4", &e) == 0);
	make(how, &g.f, 2, few);
	must_hold(&g.f, 1, apart);
	make(how, &g.f, 2, all_the_same);
	must_hold(&g.f, 2, all_the_same);
}

/* Nothing that is cut off, and no byte that is another, goes unnoticed. */
static void any_damage(void)
{
	own_forged g = forge();

	for (size_t at = g.tail.index_at; at < g.size; at += 41) {
		struct packed_files files = {};
		struct packed *p = NULL;

		g.data[at] ^= 0x10;
		folder_put(&g.f, NAME, g.data, g.size);
		assert(packed_files_open(&p, &files, g.f.fd, 1, &e) < 0 && strstr(e.text, NAME));
		g.data[at] ^= 0x10;
		folder_put(&g.f, NAME, g.data, at);
		assert(packed_files_open(&p, &files, g.f.fd, 1, &e) < 0 && strstr(e.text, NAME));
		packed_files_close(&files);
	}
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(each_is_stored_once),
		UNIT(hashes_are_not_believed),
		UNIT(what_is_dropped_is_forgotten),
		UNIT(as_it_was),
		UNIT(references_out_of_order),
		UNIT(references_to_nowhere),
		UNIT(references_that_lead_on),
		UNIT(references_about_stored_pages),
		UNIT(written_anew),
		UNIT(any_damage),
		{},
	});
}
