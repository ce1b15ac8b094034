/*
 * Are the images what they were when they were written? See intact.h.
 *
 * Only what is read is looked at: of a chain of folders the page maps and those chunks of pages files that the runs
 * of a task or an object lie in. Pages files are known by their inodes, so it does not matter who has opened them, and
 * how. What no manifest lists, because CRIU or another program has written it, is taken as it is.
 */
#include "restore/intact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "images/plain.h"
#include "lib/background.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/thread.h"

enum {
	READERS = 4,
	WORTH_BACKGROUND = 64,	  /* images: a thread of our own costs as much as some */
	WORTH_READER = 8,	  /* chunks */
	CHUNKS_AT_ONCE = 2 << 10, /* that one of several readers takes */
};

/* A pages file that is listed somewhere in the chain. */
struct pages_file {
	dev_t dev;
	ino_t ino;
	const struct chain_folder *folder;
	const struct listed_file *listed;
	int fd;
	uint8_t *seen; /* chunks that somebody looks at, or has */
};

struct intact {
	struct restore *r;
	struct manifest_chain chain;
	/* What is wrong with them, if anything is: it counts when one is needed. */
	struct err ancestors;
	struct background *images;
	struct pages_file *files; /* by inode */
	size_t file_count;
	struct background *readers[READERS];
	int reader_count, next_reader;
	bool stop; /* the restore has failed anyway */
};

/* Chunks of a pages file, from first up to last. */
struct stretch {
	struct intact *in;
	const struct pages_file *file;
	uint64_t first, last;
};

static bool is_page_map(enum image_kind kind)
{
	return kind == IMG_PAGEMAP || kind == IMG_PAGEMAP_SHMEM;
}

static enum image_kind kind_of(const struct listed_file *f)
{
	enum image_kind kind = IMG_KINDS;
	uint64_t id;

	return image_name_parse(f->name, &kind, &id) ? kind : IMG_KINDS;
}

/* All of an image, but of pages only that they are there, and how many. */
static int check_image(const struct listed_file *f, enum image_kind kind, int dir_fd, struct err *e)
{
	own_fd fd = -1;

	/* Chunks of compressed pages are checked by whoever expands them. */
	if (kind == IMG_PAGES || kind == IMG_PACKED)
		return listed_open(f, dir_fd, &fd, e);
	return listed_check_all(f, dir_fd, e);
}

/* Of an ancestor no more than the page maps are read, and of its pages who knows which. */
static int check_images(const struct chain_folder *f, bool ancestor, struct err *e)
{
	for (size_t n = 0; n < f->manifest.count; n++) {
		const struct listed_file *file = &f->manifest.files[n];
		enum image_kind kind = kind_of(file);

		if (!(ancestor && !is_page_map(kind)) && check_image(file, kind, f->fd, e) < 0)
			return manifest_chain_on(f, e);
	}
	return 0;
}

static int check_newest(void *arg, struct err *e)
{
	struct intact *in = arg;

	return check_images(&in->chain.folders[0], false, e);
}

static int add_files(struct intact *in, const struct chain_folder *f, struct err *e)
{
	for (size_t n = 0; n < f->manifest.count; n++) {
		const struct listed_file *listed = &f->manifest.files[n];
		struct stat st;

		/* One that is missing is missed by whoever needs it. */
		if (kind_of(listed) != IMG_PAGES || fstatat(f->fd, listed->name, &st, 0) < 0)
			continue;
		if (io_grow(&in->files, in->file_count, sizeof(*in->files), e) < 0)
			return e->code;
		in->files[in->file_count++] = (struct pages_file){
			.dev = st.st_dev, .ino = st.st_ino, .folder = f, .listed = listed, .fd = -1
		};
	}
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct pages_file *one = a, *other = b;

	if (one->ino != other->ino)
		return one->ino < other->ino ? -1 : 1;
	return one->dev < other->dev ? -1 : one->dev > other->dev;
}

/* The chain as far as it goes: whether it goes far enough is the page maps' business. */
static int read_ancestors(struct intact *in, struct err *e)
{
	if (manifest_chain_extend(&in->chain, &in->ancestors) == 0)
		for (size_t n = 1; n < in->chain.count; n++)
			if (check_images(&in->chain.folders[n], true, &in->ancestors) < 0)
				break;
	for (size_t n = 0; n < in->chain.count; n++)
		if (add_files(in, &in->chain.folders[n], e) < 0)
			return e->code;
	if (in->file_count)
		qsort(in->files, in->file_count, sizeof(*in->files), by_inode);
	return 0;
}

/* Half of the processors; the other half is for the tasks, which read at the same time. */
static int count_readers(void)
{
	int count = thread_processors() / 2;

	return count < 1 ? 1 : count > READERS ? READERS : count;
}

int intact_begin(struct restore *r, struct err *e)
{
	struct intact *in;

	/* A dump that was not completed, or that another one was about to remove: that is to be said, and not what else. */
	if (faccessat(r->images, "inventory.img", F_OK, 0) < 0)
		return 0;
	in = r->intact = pool_new(&r->pool, struct intact);
	in->r = r;
	in->reader_count = count_readers();
	if (manifest_chain_open(&in->chain, r->images, e) < 0)
		return e->code;
	if (in->chain.folders[0].manifest.lent) {
		err_say(e, "dedup has taken pages out of it that a later dump has anew");
		return err_hint(e, "restore the later one");
	}
	if (read_ancestors(in, e) < 0)
		return e->code;
	if (in->chain.folders[0].manifest.count > WORTH_BACKGROUND)
		in->images = background_start();
	return background_add(in->images, check_newest, in, e);
}

bool intact_lists(const struct restore *r)
{
	return r->intact && r->intact->chain.folders[0].manifest.count;
}

static int finish(struct background **b, struct err *e)
{
	struct background *was = *b;

	*b = NULL;
	return background_finish(was, e);
}

int intact_images(struct restore *r, struct err *e)
{
	return r->intact ? finish(&r->intact->images, e) : 0;
}

static int check_stretch(void *arg, struct err *e)
{
	const struct stretch *s = arg;
	own_mem char *buf = malloc(MANIFEST_CHUNK);

	if (!buf)
		return err_sys(e, "memory for checksums");
	for (uint64_t n = s->first; n < s->last; n++) {
		if (__atomic_load_n(&s->in->stop, __ATOMIC_RELAXED))
			return 0;
		if (listed_check(s->file->listed, s->file->fd, n, buf, e) < 0)
			return manifest_chain_on(s->file->folder, e);
	}
	return 0;
}

static int give_stretch(const struct stretch *s, struct err *e)
{
	struct intact *in = s->in;
	struct stretch *copy;

	if (s->first == s->last)
		return 0;
	if (!in->readers[in->next_reader] && s->last - s->first >= WORTH_READER)
		in->readers[in->next_reader] = background_start();
	copy = pool_new(&in->r->pool, struct stretch);
	*copy = *s;
	if (background_add(in->readers[in->next_reader], check_stretch, copy, e) < 0)
		return e->code;
	in->next_reader = (in->next_reader + 1) % in->reader_count;
	return 0;
}

static int find_file(struct intact *in, int fd, struct pages_file **ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat a pages file");
	const struct pages_file wanted = { .dev = st.st_dev, .ino = st.st_ino };
	*ret = NULL;
	if (in->file_count)
		*ret = bsearch(&wanted, in->files, in->file_count, sizeof(wanted), by_inode);
	/* Not of the newest folder, or of none that is known. */
	if (in->ancestors.code && (!*ret || (*ret)->folder != in->chain.folders)) {
		*e = in->ancestors;
		return e->code;
	}
	return 0;
}

static int open_file(struct pages_file *f, struct err *e)
{
	if (f->fd >= 0)
		return 0;
	if (listed_open(f->listed, f->folder->fd, &f->fd, e) < 0)
		return manifest_chain_on(f->folder, e);
	f->seen = calloc(f->listed->sum_count / 8 + 1, 1);
	return f->seen ? 0 : err_sys(e, "memory for checksums");
}

/* Adds the chunks of a run that nobody has looked at yet; what does not follow on the last is given away. */
static int add_run(struct stretch *s, const struct stored_run *run, struct err *e)
{
	uint64_t first = run->offset / MANIFEST_CHUNK;
	uint64_t last = manifest_chunks(run->offset + run->nr_pages * PAGE_SIZE);

	for (uint64_t n = first; n < last && n < s->file->listed->sum_count; n++) {
		uint8_t *byte = &s->file->seen[n / 8], bit = 1 << n % 8;

		if (*byte & bit)
			continue;
		*byte |= bit;
		if (n != s->last || s->last - s->first >= CHUNKS_AT_ONCE) {
			if (give_stretch(s, e) < 0)
				return e->code;
			s->first = n;
		}
		s->last = n + 1;
	}
	return 0;
}

/* A pages file that runs lie in, and how much of it. */
struct source {
	int fd;
	uint64_t wanted;
};

static int find_sources(struct source **ret, size_t *count, const struct stored_pages *p,
			struct err *e)
{
	struct source *s = NULL;

	for (size_t n = 0; n < p->count; n++) {
		const struct stored_run *run = &p->runs[n];

		if (!(run->flags & PE_PRESENT) || run->packed)
			continue;
		for (size_t i = 0; i < *count && !(s && s->fd == run->fd); i++)
			s = &(*ret)[i];
		if (!s || s->fd != run->fd) {
			if (io_grow(ret, *count, sizeof(**ret), e) < 0)
				return e->code;
			s = &(*ret)[(*count)++];
			*s = (struct source){ .fd = run->fd };
		}
		s->wanted += run->nr_pages * PAGE_SIZE;
	}
	return 0;
}

/* The pages file behind fd: *ret is NULL if nobody has to look at it. */
static int find_open(struct intact *in, int fd, struct pages_file **ret, struct err *e)
{
	if (find_file(in, fd, ret, e) < 0)
		return e->code;
	return *ret ? open_file(*ret, e) : 0;
}

/* In chunks, if that pays; whoever reads them then looks at them. */
static int choose_way(struct intact *in, struct stored_pages *p, const struct source *s,
		      struct err *e)
{
	struct plain_file *plain = pool_new(&in->r->pool, struct plain_file);
	struct packed *packed = NULL;
	struct pages_file *f;
	int r;

	if (find_open(in, s->fd, &f, e) < 0)
		return e->code;
	*plain = (struct plain_file){ f ? f->folder : NULL, f ? f->listed : NULL, s->wanted };
	r = plain_open(&packed, s->fd, plain, e);
	if (r <= 0)
		return r;
	log_debug("'%s' is read %s", packed->name,
		  packed->passes_cache ? "past the page cache" : "in chunks");
	return stored_pages_reroute(p, s->fd, &packed, e);
}

static int choose_ways(struct intact *in, struct stored_pages *p, struct err *e)
{
	own_mem struct source *sources = NULL;
	size_t count = 0;

	if (find_sources(&sources, &count, p, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (choose_way(in, p, &sources[i], e) < 0)
			return e->code;
	return 0;
}

/* Pages that tasks read by themselves are looked at by the readers. */
static int check_pages(struct intact *in, struct stored_pages *p, struct err *e)
{
	struct stretch s = { .in = in };
	int fd = -1;

	for (size_t n = 0; n < p->count; n++) {
		struct pages_file *f = (struct pages_file *)s.file;

		if (!(p->runs[n].flags & PE_PRESENT) || p->runs[n].packed)
			continue;
		if (p->runs[n].fd != fd) {
			fd = p->runs[n].fd;
			if (give_stretch(&s, e) < 0 || find_open(in, fd, &f, e) < 0)
				return e->code;
			s = (struct stretch){ .in = in, .file = f };
		}
		if (f && add_run(&s, &p->runs[n], e) < 0)
			return e->code;
	}
	return give_stretch(&s, e);
}

static int look_at_pages(struct intact *in, struct stored_pages *p, struct err *e)
{
	return choose_ways(in, p, e) < 0 ? e->code : check_pages(in, p, e);
}

int intact_load_only(struct restore *r, struct stored_pages *ret, enum image_kind kind, uint64_t id,
		     struct err *e)
{
	struct stored_map which = { r->images, kind, id, NULL, &r->packed_files };

	/* An ancestor that is not what it was says more than a map that does not fit it. */
	if (stored_pages_load_upon(ret, &which, e) < 0 && r->intact && r->intact->ancestors.code)
		*e = r->intact->ancestors;
	return e->code;
}

int intact_load(struct restore *r, struct stored_pages *ret, enum image_kind kind, uint64_t id,
		struct err *e)
{
	if (intact_load_only(r, ret, kind, id, e) < 0)
		return e->code;
	/* Pages of a stream are not in the files, and have checksums in the stream. */
	return r->intact && !r->stream ? look_at_pages(r->intact, ret, e) : 0;
}

int intact_look(struct restore *r, struct stored_pages *some, struct err *e)
{
	return r->intact ? check_pages(r->intact, some, e) : 0;
}

const struct manifest_chain *intact_chain(const struct restore *r)
{
	return r->intact ? &r->intact->chain : NULL;
}

int intact_wait(struct restore *r, struct err *e)
{
	int res = 0;

	for (int n = 0; r->intact && n < READERS; n++) {
		struct err one = {};

		if (finish(&r->intact->readers[n], &one) < 0 && res == 0) {
			*e = one;
			res = one.code;
		}
	}
	return res;
}

void intact_close(struct restore *r)
{
	struct intact *in = r->intact;
	struct err ignored;

	if (!in)
		return;
	__atomic_store_n(&in->stop, true, __ATOMIC_RELAXED);
	(void)!intact_images(r, &ignored);
	(void)!intact_wait(r, &ignored);
	for (size_t n = 0; n < in->file_count; n++) {
		own_close(&in->files[n].fd);
		free(in->files[n].seen);
	}
	free(in->files);
	manifest_chain_free(&in->chain);
	r->intact = NULL;
}
