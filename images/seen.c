/* Finding equal pages; see seen.h. */
#include "images/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "images/packed.h"
#include "lib/checksum.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/zero.h"

enum {
	FIRST_ROOM = 1 << 16, /* places */
	FILE_SHIFT = 40,      /* in seen_entry.where: pages of a file below, files above */
	PER_CHUNK = PACKED_CHUNK / PAGE_SIZE,
};
#define MOST_FILES (1UL << (64 - FILE_SHIFT))
#define PAGE_MASK ((1UL << FILE_SHIFT) - 1)

struct seen_entry {
	uint64_t hash; /* 0: nothing is here */
	uint64_t where;
};

struct seen_file {
	uint64_t pages_id;
	int fd; /* the writer's; -1: it is finished */
	bool is_lost;
	struct packed_chunk *chunks;
	uint64_t count;
};

struct seen_pages {
	int dir_fd;
	uint64_t seed, mask;  /* mask: bits of the hash that count */
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t done;
	struct seen_entry *table;
	size_t room, count; /* room: a power of two */
	struct seen_file *files;
	size_t file_count;
	struct seen_hand *busy;
	bool has_failed;
};

int seen_begin(struct seen_pages **ret, int dir_fd, struct err *e)
{
	struct seen_pages *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(e, "memory for finding equal pages");
	s->dir_fd = dir_fd;
	s->mask = UINT64_MAX;
	s->room = FIRST_ROOM;
	s->table = calloc(s->room, sizeof(*s->table));
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->done, NULL);
	*ret = s;
	if (!s->table)
		err_code(e, ENOMEM, "memory for finding equal pages: %s", strerror(ENOMEM));
	else if (getrandom(&s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		err_sys(e, "getrandom");
	else
		return 0;
	seen_end(ret);
	return e->code;
}

void seen_end(struct seen_pages **s)
{
	if (!*s)
		return;
	for (size_t n = 0; n < (*s)->file_count; n++)
		free((*s)->files[n].chunks);
	free((*s)->files);
	free((*s)->table);
	free(*s);
	*s = NULL;
}

void seen_weaken(struct seen_pages *s)
{
	s->mask = 31;
}

int seen_add_file(struct seen_pages *s, uint64_t pages_id, int fd, size_t *ret, struct err *e)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = s->file_count == MOST_FILES ? err_code(e, E2BIG, "there are too many files of pages") :
					  io_grow(&s->files, s->file_count, sizeof(*s->files), e);
	if (r == 0) {
		s->files[s->file_count] = (struct seen_file){ .pages_id = pages_id, .fd = fd };
		*ret = s->file_count++;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void seen_end_file(struct seen_pages *s, size_t file, bool is_good)
{
	pthread_mutex_lock(&s->lock);
	s->files[file].fd = -1;
	s->files[file].is_lost = !is_good;
	pthread_mutex_unlock(&s->lock);
}

static struct seen_entry *find(struct seen_entry *table, size_t room, uint64_t hash)
{
	size_t at = hash & (room - 1);

	while (table[at].hash && table[at].hash != hash)
		at = (at + 1) & (room - 1);
	return &table[at];
}

/* False: no more pages are remembered, since there is no memory, or it would be too much. */
static bool make_room(struct seen_pages *s)
{
	struct seen_entry *more;

	if (s->count < s->room / 4 * 3)
		return true;
	if (s->room >= SEEN_MAX / sizeof(*more))
		return false;
	more = calloc(s->room * 2, sizeof(*more));
	if (!more)
		return false;
	for (size_t n = 0; n < s->room; n++)
		if (s->table[n].hash)
			*find(more, s->room * 2, s->table[n].hash) = s->table[n];
	free(s->table);
	s->table = more;
	s->room *= 2;
	return true;
}

static uint64_t file_of(uint64_t where)
{
	return where >> FILE_SHIFT;
}

/* Where the page is, perhaps; otherwise it is 'mine' from now on, and that is returned. */
static uint64_t claim(struct seen_pages *s, uint64_t hash, uint64_t mine)
{
	struct seen_entry *entry = find(s->table, s->room, hash);

	if (entry->hash && !s->files[file_of(entry->where)].is_lost)
		return entry->where;
	if (!entry->hash) {
		if (!make_room(s))
			return mine;
		entry = find(s->table, s->room, hash);
		s->count++;
	}
	*entry = (struct seen_entry){ hash, mine };
	return mine;
}

static uint64_t hash_of(const struct seen_pages *s, const char *page)
{
	uint64_t hash = checksum_on(page, PAGE_SIZE, s->seed) & s->mask;

	return hash ? hash : 1;
}

static uint64_t first_of(const struct seen_piece *piece)
{
	return (uint64_t)piece->file << FILE_SHIFT | piece->chunk * PER_CHUNK;
}

/* All pages of the piece at once, so that whoever finds one of them can only have come later. */
static void claim_all(struct seen_pages *s, struct seen_hand *h, const struct seen_piece *piece,
		      uint64_t where[SEEN_PAGES])
{
	uint64_t hashes[SEEN_PAGES];
	size_t pages = piece->size / PAGE_SIZE;
	uint64_t first = first_of(piece);

	for (size_t n = 0; n < pages; n++) {
		const char *page = piece->data + n * PAGE_SIZE;

		hashes[n] = page_is_zero(page) ? 0 : hash_of(s, page);
	}
	pthread_mutex_lock(&s->lock);
	for (size_t n = 0; n < pages; n++)
		where[n] = hashes[n] ? claim(s, hashes[n], first + n) : first + n;
	h->file = piece->file;
	h->chunk = piece->chunk;
	h->is_busy = true;
	h->next = s->busy;
	s->busy = h;
	pthread_mutex_unlock(&s->lock);
}

static bool is_busy(const struct seen_pages *s, size_t file, uint64_t chunk)
{
	for (const struct seen_hand *h = s->busy; h; h = h->next)
		if (h->file == file && h->chunk == chunk)
			return true;
	return false;
}

/* What is known of a chunk of another piece, when it has been written. */
static int wait_for(struct seen_pages *s, size_t file, uint64_t chunk, struct packed_chunk *ret,
		    struct err *e)
{
	bool known;

	pthread_mutex_lock(&s->lock);
	while (!s->has_failed && is_busy(s, file, chunk))
		pthread_cond_wait(&s->done, &s->lock);
	known = !s->has_failed && chunk < s->files[file].count;
	if (known)
		*ret = s->files[file].chunks[chunk];
	pthread_mutex_unlock(&s->lock);
	return known ? 0 : err_code(e, EIO, "an equal page could not be stored");
}

/* The file to be read from. */
static int open_file(struct seen_pages *s, struct seen_hand *h, size_t file, int *ret,
		     struct err *e)
{
	char name[IMAGE_NAME_MAX];
	uint64_t id;

	pthread_mutex_lock(&s->lock);
	id = s->files[file].pages_id;
	*ret = s->files[file].fd;
	pthread_mutex_unlock(&s->lock);
	if (*ret >= 0)
		return 0;
	if (h->open_file != file + 1) {
		if (h->open_file)
			close(h->fd);
		h->open_file = 0;
		h->fd = openat(s->dir_fd, image_name(name, IMG_PACKED, id), O_RDONLY | O_CLOEXEC);
		if (h->fd < 0)
			return err_sys(e, "open '%s' again", name);
		h->open_file = file + 1;
	}
	*ret = h->fd;
	return 0;
}

/* A look at one piece. */
struct look {
	struct seen_pages *s;
	struct seen_hand *h;
	const struct seen_piece *piece;
	uint64_t where[SEEN_PAGES]; /* of each page, which may be itself */
	struct seen_twins *ret;
};

/* Pages in a row that may be equal to pages in a row of another chunk. */
struct candidates {
	size_t first, count; /* of the piece */
	size_t file;
	uint64_t chunk;
	size_t from; /* the first of the chunk */
};

static int read_back(struct look *l, size_t file, char *to, const struct packed_chunk *part,
		     struct err *e)
{
	int fd;

	if (open_file(l->s, l->h, file, &fd, e) < 0)
		return e->code;
	return io_pread(fd, to, part->size, part->at, e) < 0 ? err_on(e, "read pages back") : 0;
}

/* The whole chunk, expanded, unless that was done a moment ago. */
static const char *expand(struct look *l, const struct candidates *k, const struct packed_chunk *c,
			  struct err *e)
{
	const void *key = (void *)(k->file + 1);
	struct unpack_slot *slot = unpack_cache_find(&l->h->cache, key, k->chunk, e);
	int r;

	if (!slot || slot->file)
		return slot ? slot->unpacker.data : NULL;
	if (read_back(l, k->file, slot->unpacker.stored, c, e) < 0)
		return NULL;
	r = unpacker_expand(&slot->unpacker, l->piece->codec, c, PER_CHUNK, e);
	if (r > 0)
		err_code(e, EIO, "a chunk of pages is not what was written");
	if (r != 0)
		return NULL;
	slot->file = key;
	slot->chunk = k->chunk;
	return slot->unpacker.data;
}

/* The candidates' pages, one behind the other. NULL: an error. */
static const char *pages_of(struct look *l, const struct candidates *k, struct err *e)
{
	struct packed_chunk c;
	const char *all;

	if (wait_for(l->s, k->file, k->chunk, &c, e) < 0)
		return NULL;
	if (!(c.flags & PACKED_RAW)) {
		all = expand(l, k, &c, e);
		return all ? all + k->from * PAGE_SIZE : NULL;
	}
	/* What is claimed is stored, so pages in a row are in a row there, too. */
	c.at += __builtin_popcountll(c.present & ((1ULL << k->from) - 1)) * PAGE_SIZE;
	c.size = k->count * PAGE_SIZE;
	if (!l->h->buf)
		l->h->buf = malloc(PACKED_CHUNK);
	if (!l->h->buf) {
		err_sys(e, "memory for finding equal pages");
		return NULL;
	}
	return read_back(l, k->file, l->h->buf, &c, e) < 0 ? NULL : l->h->buf;
}

/* How many in a row have candidates that are in a row in one chunk. */
static struct candidates next_candidates(const struct look *l, size_t first)
{
	uint64_t page = l->where[first] & PAGE_MASK;
	size_t pages = l->piece->size / PAGE_SIZE;
	struct candidates k = { .first = first,
				.count = 1,
				.file = file_of(l->where[first]),
				.chunk = page / PER_CHUNK,
				.from = page % PER_CHUNK };

	while (first + k.count < pages && k.from + k.count < PER_CHUNK &&
	       l->where[first + k.count] == l->where[first] + k.count)
		k.count++;
	return k;
}

static void compare(struct look *l, const struct candidates *k, const char *theirs)
{
	uint64_t pages_id = l->s->files[k->file].pages_id;

	for (size_t n = 0; n < k->count; n++) {
		size_t page = k->first + n;
		const char *ours = l->piece->data + page * PAGE_SIZE;

		/* Equal in their hash only: stored, and found by nobody. */
		if (memcmp(ours, theirs + n * PAGE_SIZE, PAGE_SIZE) != 0)
			continue;
		l->ret->pages |= 1ULL << page;
		l->ret->where[page].pages_id = pages_id;
		l->ret->where[page].page = l->where[page] & PAGE_MASK;
	}
}

static int compare_all(struct look *l, struct err *e)
{
	const struct seen_piece *piece = l->piece;
	uint64_t first = first_of(piece);

	for (size_t n = 0; n < piece->size / PAGE_SIZE;) {
		struct candidates k = next_candidates(l, n);
		const char *theirs = piece->data + k.from * PAGE_SIZE;

		if (l->where[n] == first + n) {
			n++;
			continue;
		}
		if (k.file != piece->file || k.chunk != piece->chunk)
			theirs = pages_of(l, &k, e);
		if (!theirs)
			return e->code;
		compare(l, &k, theirs);
		n += k.count;
	}
	return 0;
}

int seen_look(struct seen_pages *s, struct seen_hand *h, const struct seen_piece *piece,
	      struct seen_twins *ret, struct err *e)
{
	struct look l = { .s = s, .h = h, .piece = piece, .ret = ret };

	ret->pages = 0;
	claim_all(s, h, piece, l.where);
	if (compare_all(&l, e) == 0)
		return 0;
	seen_done(s, h, NULL);
	return e->code;
}

/* The chunk's place in the list of its file, made if need be. */
static bool note_chunk(struct seen_file *f, uint64_t chunk, const struct packed_chunk *c)
{
	struct err ignored;

	while (f->count <= chunk) {
		if (io_grow(&f->chunks, f->count, sizeof(*f->chunks), &ignored) < 0)
			return false;
		f->chunks[f->count++] = (struct packed_chunk){};
	}
	f->chunks[chunk] = *c;
	return true;
}

void seen_done(struct seen_pages *s, struct seen_hand *h, const struct packed_chunk *c)
{
	struct seen_hand **at;

	pthread_mutex_lock(&s->lock);
	if (!c || !note_chunk(&s->files[h->file], h->chunk, c))
		s->has_failed = true;
	for (at = &s->busy; *at != h; at = &(*at)->next)
		;
	*at = h->next;
	h->is_busy = false;
	pthread_cond_broadcast(&s->done);
	pthread_mutex_unlock(&s->lock);
}

void seen_hand_end(struct seen_hand *h)
{
	if (h->open_file)
		close(h->fd);
	free(h->buf);
	unpack_cache_free(&h->cache);
	*h = (struct seen_hand){};
}
