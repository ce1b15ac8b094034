/*
 * 'stasis convert': see convert.h. Page maps say the same about compressed and plain pages, so only the files with the pages
 * are written anew; everything else is kept as it is.
 *
 * In place, each new file is finished in a folder of its own and renamed before the old one goes: whenever that
 * is cut off, the set is complete. Into another folder, the inventory comes last, as in a dump.
 *
 * Of pages that are stored once, files lead to others, which stay until the last one is converted. That one of them is
 * compressed already does not matter, as it has all pages in the same places then.
 */
#include "cli/convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images/image.h"
#include "images/inventory.pb-c.h"
#include "images/manifest.h"
#include "images/page_sink.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"

#define PART "stasis-convert.part"

struct conversion {
	struct compression how;
	const char *from_path;
	int from, to; /* folders; the same in place */
	bool in_place;
	bool inner;		  /* it is a folder in that of a dump */
	struct manifest manifest; /* of the folder that things go to */
	bool has_manifest;
	int work; /* where new files are written: to, or a folder in it */
};

static bool is_packed(const struct conversion *c)
{
	return c->how.codec || c->how.once;
}

/* One file of pages, as it is. */
struct pages_source {
	struct page_source source; /* this */
	int fd;			   /* -1: compressed */
	struct packed *packed;
	uint64_t size;
};

static int read_packed(const struct packed *packed, struct page_piece *p, char *buf, struct err *e)
{
	if (!p->unpacker) {
		p->unpacker = calloc(1, sizeof(*p->unpacker));
		if (!p->unpacker || unpacker_begin(p->unpacker, e) < 0)
			return err_code(e, ENOMEM, "memory for compressed pages");
	}
	return unpacker_copy(p->unpacker, packed, (struct packed_part){ buf, p->size, p->at }, e);
}

static int read_piece(const struct page_source *source, struct page_piece *p, char *buf,
		      struct err *e)
{
	const struct pages_source *s = (const struct pages_source *)source;

	if (s->packed)
		return read_packed(s->packed, p, buf, e);
	return io_pread(s->fd, buf, p->size, p->at, e);
}

static int open_source(struct pages_source *s, int dir_fd, enum image_kind kind, uint64_t id,
		       struct err *e)
{
	char name[IMAGE_NAME_MAX];
	struct stat st;

	*s = (struct pages_source){ .source = { read_piece }, .fd = -1 };
	if (kind == IMG_PACKED) {
		if (packed_open(&s->packed, dir_fd, id, e) < 0 ||
		    packed_link(s->packed, dir_fd, NULL, e) < 0)
			return e->code;
		s->size = s->packed->bytes;
		return 0;
	}
	image_name(name, kind, id);
	s->fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(e, "open '%s'", name);
	if (!S_ISREG(st.st_mode) || st.st_size % PAGE_SIZE)
		return err_say(e, "'%s' does not consist of pages", name);
	s->size = st.st_size;
	return 0;
}

static int copy_pages(const struct conversion *c, struct pages_source *s, uint64_t id,
		      const char *name, struct err *e)
{
	struct page_sink sink = {};
	int r = page_sink_begin(&sink, c->work, id, c->how, e);

	if (r == 0)
		r = page_pump(&s->source, s->size, &sink, e);
	if (r == 0)
		r = page_sink_finish(&sink, s->size, name, e);
	page_sink_drop(&sink);
	return r;
}

static int sync_name(int dir_fd, const char *name, struct err *e)
{
	own_fd fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "fsync '%s'", name);
	return 0;
}

/* While the files change, the manifest does not speak of them: see images/dedup.c. */
static int unlist(struct conversion *c, const char *old, const char *new, struct err *e)
{
	bool listed = manifest_drop(&c->manifest, old);

	listed |= manifest_drop(&c->manifest, new);
	return c->has_manifest && listed ? manifest_replace(&c->manifest, c->to, e) : 0;
}

static int list(struct conversion *c, const char *name, struct err *e)
{
	if (!c->has_manifest)
		return 0;
	if (manifest_list(&c->manifest, name, e) < 0 || manifest_read(&c->manifest, c->to, e) < 0)
		return e->code;
	return manifest_replace(&c->manifest, c->to, e);
}

/* The new file takes its name, and then the old one goes, if it has another. */
static int exchange(struct conversion *c, const char *old, uint64_t id, struct err *e)
{
	char new[IMAGE_NAME_MAX];

	image_name(new, is_packed(c) ? IMG_PACKED : IMG_PAGES, id);
	if (sync_name(c->work, new, e) < 0 || unlist(c, old, new, e) < 0)
		return e->code;
	if (renameat(c->work, new, c->to, new) < 0)
		return err_sys(e, "rename '%s/%s'", PART, new);
	if (sync_name(c->to, ".", e) < 0)
		return e->code;
	/* Others may lead to compressed ones: these go when nothing is compressed any more. */
	if (is_packed(c) && strcmp(old, new) != 0 && unlinkat(c->to, old, 0) < 0)
		return err_sys(e, "remove '%s'", old);
	return list(c, new, e);
}

static int convert_pages(struct conversion *c, const char *name, enum image_kind kind, uint64_t id,
			 struct err *e)
{
	struct pages_source s;
	char plain[IMAGE_NAME_MAX];
	int r;

	image_name(plain, IMG_PAGES, id);
	if (kind == IMG_PACKED && faccessat(c->from, plain, F_OK, 0) == 0)
		return 0;
	if (c->in_place && kind == IMG_PAGES && !is_packed(c))
		return 0;
	r = open_source(&s, c->from, kind, id, e);
	if (r == 0)
		r = copy_pages(c, &s, id, name, e);
	if (r == 0 && c->in_place)
		r = exchange(c, name, id, e);
	else if (r == 0)
		r = manifest_list(&c->manifest,
				  image_name(plain, is_packed(c) ? IMG_PACKED : IMG_PAGES, id), e);
	own_close(&s.fd);
	packed_close(&s.packed);
	return r;
}

/* A parent outside that is named from where the images are becomes one that is named from anywhere. */
static int copy_link(const struct conversion *c, const char *name, struct err *e)
{
	char target[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlinkat(c->from, name, target, sizeof(target) - 1);
	own_mem char *real = NULL;

	if (n < 0)
		return err_sys(e, "read the link '%s'", name);
	target[n] = 0;
	if (!c->inner && strncmp(target, "..", 2) == 0) {
		snprintf(path, sizeof(path), "%s/%s", c->from_path, name);
		real = realpath(path, NULL);
	}
	if (unlinkat(c->to, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s'", name);
	return symlinkat(real ? real : target, c->to, name) < 0 ?
		       err_sys(e, "make the link '%s'", name) :
		       0;
}

static int copy_file(const struct conversion *c, const char *name, mode_t mode, struct err *e)
{
	own_fd from = openat(c->from, name, O_RDONLY | O_CLOEXEC);
	own_fd to = from < 0 ? -1 :
			       openat(c->to, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				      mode & 0777);

	if (from < 0 || to < 0)
		return err_sys(e, "copy '%s'", name);
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);

		if (n == 0)
			return 0;
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP))
			break;
		if (n < 0)
			return err_sys(e, "copy '%s'", name);
	}
	for (char buf[16384];;) {
		ssize_t n = read(from, buf, sizeof(buf));

		if (n <= 0)
			return n < 0 ? err_sys(e, "read '%s'", name) : 0;
		if (io_write(to, buf, n, name, e) < 0)
			return e->code;
	}
}

static int in_place(struct conversion *c, struct err *e);
static int into_other(struct conversion *c, struct err *e);

/* All others are listed when the folder is made complete. */
static bool is_page_map(const char *name)
{
	enum image_kind kind;
	uint64_t id;

	return image_name_parse(name, &kind, &id) &&
	       (kind == IMG_PAGEMAP || kind == IMG_PAGEMAP_SHMEM);
}

/* A round of pre-copy, which is a part of the dump. */
static bool holds_images(const struct conversion *c, const char *name)
{
	own_fd fd = openat(c->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd >= 0 && faccessat(fd, "inventory.img", F_OK, 0) == 0;
}

static int take_folder(const struct conversion *c, const char *name, struct err *e)
{
	struct conversion inner = { .how = c->how, .in_place = c->in_place, .inner = true };
	own_fd to = -1;
	own_fd from = openat(c->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (from < 0)
		return err_sys(e, "open '%s'", name);
	inner.from = inner.to = from;
	if (c->in_place) {
		r = in_place(&inner, e);
		return r < 0 ? err_on(e, "'%s'", name) : 0;
	}
	if (mkdirat(c->to, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make the folder '%s'", name);
	to = openat(c->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (to < 0)
		return err_sys(e, "open '%s'", name);
	inner.to = to;
	r = into_other(&inner, e);
	return r < 0 ? err_on(e, "'%s'", name) : 0;
}

static int take_entry(struct conversion *c, const char *name, struct err *e)
{
	enum image_kind kind;
	struct stat st;
	uint64_t id;

	if (image_name_parse(name, &kind, &id) && (kind == IMG_PAGES || kind == IMG_PACKED))
		return convert_pages(c, name, kind, id, e);
	if (strcmp(name, "inventory.img") == 0 || strcmp(name, MANIFEST_NAME) == 0 ||
	    strcmp(name, PART) == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (c->in_place)
		return holds_images(c, name) ? take_folder(c, name, e) : 0;
	if (fstatat(c->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "stat '%s'", name);
	if (S_ISREG(st.st_mode) && is_page_map(name) && manifest_list(&c->manifest, name, e) < 0)
		return e->code;
	if (S_ISREG(st.st_mode))
		return copy_file(c, name, st.st_mode, e);
	if (S_ISLNK(st.st_mode))
		return copy_link(c, name, e);
	if (S_ISDIR(st.st_mode) && holds_images(c, name))
		return take_folder(c, name, e);
	log_warn("'%s' is not copied: it is neither a file nor a link", name);
	return 0;
}

static int anything(const struct dirent *d)
{
	(void)d;
	return 1;
}

typedef int (*entry_fn)(struct conversion *c, const char *name, struct err *e);

static int for_all(struct conversion *c, entry_fn fn, struct err *e)
{
	struct dirent **names = NULL;
	int count = scandirat(c->from, ".", &names, anything, versionsort), r = 0;

	if (count < 0)
		return err_sys(e, "read the image folder");
	for (int n = 0; n < count; n++) {
		if (r == 0)
			r = fn(c, names[n]->d_name, e);
		free(names[n]);
	}
	free(names);
	return r;
}

/* If both sorts are there, pages-N.img counts (images/pages.c); the other one is left over. */
static int remove_left_over(struct conversion *c, const char *name, struct err *e)
{
	char plain[IMAGE_NAME_MAX];
	enum image_kind kind;
	uint64_t id;

	if (!image_name_parse(name, &kind, &id) || kind != IMG_PACKED ||
	    faccessat(c->from, image_name(plain, IMG_PAGES, id), F_OK, 0) < 0)
		return 0;
	if (unlist(c, name, name, e) < 0)
		return e->code;
	return unlinkat(c->from, name, 0) < 0 ? err_sys(e, "remove '%s'", name) : 0;
}

/* A page that others lead to might become one that leads elsewhere, while they still are what they were. */
static int refuse_once(struct conversion *c, const char *name, struct err *e)
{
	own_packed *packed = NULL;
	enum image_kind kind;
	uint64_t id;

	if (!image_name_parse(name, &kind, &id) || kind != IMG_PACKED)
		return 0;
	if (packed_open(&packed, c->from, id, e) < 0)
		return e->code;
	if (!packed->once)
		return 0;
	err_say(e, "the pages of '%s' are stored once already, and cannot be found anew in place",
		name);
	return err_hint(e, "expand them first ('stasis convert DIR'), or name another folder");
}

static int convert_all(struct conversion *c, struct err *e)
{
	int r = 0;

	if (c->how.once && c->in_place &&
	    (for_all(c, refuse_once, e) < 0 || for_all(c, remove_left_over, e) < 0))
		return e->code;
	if (c->how.once && seen_begin(&c->how.seen, c->to, e) < 0)
		return e->code;
	r = for_all(c, take_entry, e);
	seen_end(&c->how.seen);
	if (r == 0 && c->in_place && !is_packed(c))
		r = for_all(c, remove_left_over, e);
	return r;
}

static void clear_part(int dir_fd)
{
	own_fd fd = openat(dir_fd, PART, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	own_dir dir = fd < 0 ? NULL : fdopendir(dup(fd));

	for (struct dirent *d; dir && (d = readdir(dir));)
		unlinkat(fd, d->d_name, 0);
	unlinkat(dir_fd, PART, AT_REMOVEDIR);
}

static int in_place(struct conversion *c, struct err *e)
{
	int r;

	r = manifest_load(&c->manifest, c->to, e);
	if (r < 0)
		return r;
	c->has_manifest = r == 1;
	clear_part(c->to); /* of one that was cut off */
	if (mkdirat(c->to, PART, 0700) < 0)
		return err_sys(e, "make the folder '%s'", PART);
	own_fd work = openat(c->to, PART, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (work < 0)
		return err_sys(e, "open the folder '%s'", PART);
	c->work = work;
	r = convert_all(c, e);
	clear_part(c->to);
	manifest_free(&c->manifest);
	return r;
}

static int into_other(struct conversion *c, struct err *e)
{
	own_message InventoryEntry *inventory = NULL;
	own_manifest before = {};
	struct stat a, b;
	int r;

	if (fstat(c->from, &a) < 0 || fstat(c->to, &b) < 0)
		return err_sys(e, "stat the image folders");
	if (a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		err_say(e, "both are the same folder");
		return err_hint(e, "name it once to convert it in place");
	}
	c->work = c->to;
	if (image_load(c->from, IMG_INVENTORY, 0, &inventory, e) < 0 ||
	    image_set_begin(c->to, e) < 0)
		return e->code;
	r = manifest_load(&before, c->from, e);
	c->manifest.lent = before.lent;
	if (r >= 0)
		r = convert_all(c, e);
	if (r == 0)
		r = image_set_finish(c->to, inventory, &c->manifest, e);
	manifest_free(&c->manifest);
	return r;
}

static int open_folder(const char *path, bool make, int *ret, struct err *e)
{
	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make the folder '%s'", path);
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open '%s'", path) : 0;
}

int convert_images(const char *from, const char *to, struct compression how, struct err *e)
{
	own_message InventoryEntry *inventory = NULL;
	own_fd from_fd = -1, to_fd = -1;
	struct conversion c = { .how = how, .from_path = from, .in_place = !to };

	if (open_folder(from, false, &from_fd, e) < 0)
		return e->code;
	if (image_load(from_fd, IMG_INVENTORY, 0, &inventory, e) < 0)
		return e->code == -ENOENT ? err_hint(e, "the folder holds no complete dump") :
					    e->code;
	c.from = c.to = from_fd;
	if (!to)
		return in_place(&c, e);
	if (open_folder(to, true, &to_fd, e) < 0)
		return e->code;
	c.to = to_fd;
	return into_other(&c, e);
}
