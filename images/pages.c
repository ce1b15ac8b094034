/*
 * Reading page maps; see pages.h.
 *
 * Each folder of the chain is loaded for itself and checked against its own pages file. Then, from the newest
 * on, what is the parent's is looked up in the parent's map, which has been resolved before.
 */
#include "images/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "images/pagemap.pb-c.h"
#include "lib/io.h"
#include "lib/own.h"

/* A folder of the chain, and those on the way to it: what a loop is recognised by. */
struct folder {
	const struct folder *newer;
	int fd;
	struct stat st;
};

void stored_pages_free(struct stored_pages *p)
{
	for (size_t n = 0; n < p->fd_count; n++)
		own_close(&p->fds[n]);
	for (size_t n = 0; n < p->packed_count; n++)
		packed_close(&p->packed[n]);
	free(p->fds);
	free(p->packed);
	free(p->runs);
	*p = (struct stored_pages){};
}

uint64_t stored_pages_count(const struct stored_pages *p)
{
	uint64_t count = 0;

	for (size_t n = 0; n < p->count; n++)
		count += p->runs[n].nr_pages;
	return count;
}

static uint64_t run_end(const struct stored_run *run)
{
	return run->vaddr + run->nr_pages * PAGE_SIZE;
}

const struct stored_run *stored_pages_find(const struct stored_pages *p, uint64_t vaddr)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (run_end(&p->runs[middle]) > vaddr)
			high = middle;
		else
			low = middle + 1;
	}
	return low < p->count ? &p->runs[low] : NULL;
}

static int append(struct stored_pages *p, const struct stored_run *run, struct err *e)
{
	int r = io_grow(&p->runs, p->count, sizeof(*run), e);

	if (r < 0)
		return r;
	p->runs[p->count++] = *run;
	return 0;
}

static int append_fd(struct stored_pages *p, int *fd, struct err *e)
{
	int r = io_grow(&p->fds, p->fd_count, sizeof(*fd), e);

	if (r < 0)
		return r;
	p->fds[p->fd_count++] = take_fd(fd);
	return 0;
}

static int append_packed(struct stored_pages *p, struct packed **packed, struct err *e)
{
	int r = io_grow(&p->packed, p->packed_count, sizeof(*packed), e);

	if (r < 0)
		return r;
	p->packed[p->packed_count++] = take_mem(*packed);
	return 0;
}

int stored_pages_reroute(struct stored_pages *p, int fd, struct packed **packed, struct err *e)
{
	own_packed *taken = take_mem(*packed);
	struct packed *kept = taken;

	if (append_packed(p, &taken, e) < 0)
		return e->code;
	for (size_t n = 0; n < p->count; n++) {
		if (p->runs[n].fd != fd)
			continue;
		p->runs[n].fd = -1;
		p->runs[n].packed = kept;
	}
	return 0;
}

int stored_run_read(const struct stored_run *run, void *buf, size_t size, uint64_t offset,
		    struct err *e)
{
	return run->packed ? packed_read(run->packed, buf, size, offset, e) :
			     io_pread(run->fd, buf, size, offset, e);
}

struct stored_run stored_run_of(const PagemapEntry *entry)
{
	struct stored_run run = { .vaddr = entry->vaddr, .fd = -1 };

	run.nr_pages = entry->has_nr_pages ? entry->nr_pages : entry->compat_nr_pages;
	if (entry->has_flags)
		run.flags = entry->flags;
	else
		run.flags = entry->in_parent ? PE_PARENT : PE_PRESENT;
	return run;
}

static int check_run(const struct image *i, const struct stored_run *run, uint64_t end,
		     struct err *e)
{
	const char *wrong = NULL;

	if (run->vaddr % PAGE_SIZE)
		wrong = "does not begin on a page boundary";
	else if (run->nr_pages > (UINT64_MAX - run->vaddr) / PAGE_SIZE)
		wrong = "goes beyond any address";
	else if (run->vaddr < end)
		wrong = "overlaps the one before or is out of order";
	else if (run->flags & ~(PE_PARENT | PE_LAZY | PE_PRESENT))
		wrong = "has flags that are not known";
	else if (!run->flags)
		wrong = "does not say where its pages are";
	else if ((run->flags & PE_PARENT) && run->flags != PE_PARENT)
		wrong = "claims to be both here and in the parent";
	if (!wrong)
		return 0;
	return err_say(e, "'%s' is damaged: the run of %lu pages at 0x%lx (flags %u) %s", i->name,
		       run->nr_pages, run->vaddr, run->flags, wrong);
}

/* Runs of this folder alone; *ret_size is what the present ones take in the pages file. */
static int read_runs(struct image *i, struct stored_pages *p, uint64_t *ret_size, struct err *e)
{
	own_message PagemapHead *head = NULL;
	uint64_t end = 0, size = 0;
	int r;

	r = image_read(i, &pagemap_head__descriptor, &head, e);
	if (r < 0)
		return r;
	if (r == 0)
		return err_code(e, ENODATA, "'%s' is cut short: it holds no record", i->name);
	p->pages_id = head->pages_id;
	for (;;) {
		own_message PagemapEntry *entry = NULL;
		struct stored_run run;

		r = image_read(i, &pagemap_entry__descriptor, &entry, e);
		if (r <= 0)
			break;
		run = stored_run_of(entry);
		r = check_run(i, &run, end, e);
		if (r < 0)
			return r;
		if (!run.nr_pages)
			continue;
		run.offset = size;
		/* Runs do not overlap, so this stays below the number of addresses. */
		if (run.flags & PE_PRESENT)
			size += run.nr_pages * PAGE_SIZE;
		end = run_end(&run);
		r = append(p, &run, e);
		if (r < 0)
			return r;
	}
	*ret_size = size;
	return r;
}

static void set_file(struct stored_pages *p, int fd, struct packed *packed)
{
	for (size_t n = 0; n < p->count; n++) {
		if (!(p->runs[n].flags & PE_PRESENT))
			continue;
		p->runs[n].fd = fd;
		p->runs[n].packed = packed;
	}
}

/* A map as it is in one folder. */
struct map_here {
	int dir_fd;
	const char *name;
	uint64_t size; /* of its pages */
	struct packed_files *files;
};

static int open_linked(struct packed **ret, const struct map_here *m, uint64_t id, struct err *e)
{
	if (m->files)
		return packed_files_open(ret, m->files, m->dir_fd, id, e);
	return packed_open(ret, m->dir_fd, id, e) < 0 ? e->code :
							packed_link(*ret, m->dir_fd, NULL, e);
}

static int open_packed(struct stored_pages *p, const struct map_here *m, struct err *e)
{
	const char *map = m->name;
	uint64_t size = m->size;
	own_packed *packed = NULL;
	char name[IMAGE_NAME_MAX];

	if (open_linked(&packed, m, p->pages_id, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		return size == 0 ? 0 :
				   err_code(e, ENOENT, "'%s' of '%s' is missing",
					    image_name(name, IMG_PAGES, p->pages_id), map);
	}
	if (packed->bytes != size)
		return err_say(e, "'%s' has %lu bytes of pages, but by '%s' it has %lu",
			       packed->name, packed->bytes, map, size);
	set_file(p, -1, packed);
	return append_packed(p, &packed, e);
}

/* A map that lost its last records would go unnoticed, were it not for the size of the pages file. */
static int open_pages(struct stored_pages *p, const struct map_here *m, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	struct stat st;

	image_name(name, IMG_PAGES, p->pages_id);
	own_fd fd = openat(m->dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* If both are there, somebody who does not know the other has written this one. */
	if (fd < 0 && errno == ENOENT)
		return open_packed(p, m, e);
	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_say(e, "'%s' is not a regular file", name);
	if ((uint64_t)st.st_size != m->size)
		return err_say(e, "'%s' has %lu bytes, but by '%s' it has %lu", name,
			       (unsigned long)st.st_size, m->name, m->size);
	set_file(p, fd, NULL);
	return append_fd(p, &fd, e);
}

static int load_folder(struct stored_pages *p, int dir_fd, const struct stored_map *which,
		       struct err *e)
{
	struct map_here m = { .dir_fd = dir_fd, .files = which->files };
	own_image i = {};
	int r;

	r = image_open(&i, dir_fd, which->kind, which->id, e);
	if (r < 0)
		return r;
	m.name = i.name;
	r = read_runs(&i, p, &m.size, e);
	return r < 0 ? r : open_pages(p, &m, e);
}

/* The part of one run that the parent holds, in the pieces in which it holds it. */
static int resolve_run(struct stored_pages *out, const struct stored_run *run,
		       const struct stored_pages *parent, struct err *e)
{
	const struct stored_run *stop = parent->runs + parent->count;
	const struct stored_run *from = stored_pages_find(parent, run->vaddr);
	uint64_t at = run->vaddr, end = run_end(run);
	int r;

	for (; at < end && from && from != stop && from->vaddr <= at; from++) {
		uint64_t skipped = at - from->vaddr;
		struct stored_run piece = *from;

		piece.vaddr = at;
		piece.offset += piece.flags & PE_PRESENT ? skipped : 0;
		piece.nr_pages = ((run_end(from) < end ? run_end(from) : end) - at) / PAGE_SIZE;
		r = append(out, &piece, e);
		if (r < 0)
			return r;
		at = run_end(&piece);
	}
	if (at < end)
		return err_say(e, "the page at 0x%lx is in no folder of the chain", at);
	return 0;
}

static bool needs_parent(const struct stored_pages *p)
{
	for (size_t n = 0; n < p->count; n++)
		if (p->runs[n].flags & PE_PARENT)
			return true;
	return false;
}

/* Replaces what is the parent's by what the parent has. The parent's pages files become those of p. */
static int resolve(struct stored_pages *p, struct stored_pages *parent, struct err *e)
{
	own_stored_pages out = {};
	int r;

	for (size_t n = 0; n < p->count; n++) {
		if (p->runs[n].flags & PE_PARENT)
			r = resolve_run(&out, &p->runs[n], parent, e);
		else
			r = append(&out, &p->runs[n], e);
		if (r < 0)
			return r;
	}
	for (size_t n = 0; n < parent->fd_count; n++) {
		r = append_fd(p, &parent->fds[n], e);
		if (r < 0)
			return r;
	}
	for (size_t n = 0; n < parent->packed_count; n++) {
		r = append_packed(p, &parent->packed[n], e);
		if (r < 0)
			return r;
	}
	free(p->runs);
	p->runs = take_mem(out.runs);
	p->count = out.count;
	return 0;
}

static int open_parent(const struct folder *child, struct folder *ret, struct err *e)
{
	own_fd fd = openat(child->fd, "parent", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(e, "open 'parent'");
		return err_hint(e, "the images are incremental and need those of the dump before");
	}
	if (fstat(fd, &ret->st) < 0)
		return err_sys(e, "stat 'parent'");
	for (const struct folder *f = child; f; f = f->newer)
		if (f->st.st_dev == ret->st.st_dev && f->st.st_ino == ret->st.st_ino)
			return err_code(e, ELOOP, "'parent' leads back to where it came from");
	ret->newer = child;
	ret->fd = take_fd(&fd);
	return 0;
}

static bool is_base(const struct stored_map *which, const struct folder *f)
{
	return which->base && which->base->st_dev == f->st.st_dev &&
	       which->base->st_ino == f->st.st_ino;
}

static int hand_over(struct stored_pages *ret, struct stored_pages *from)
{
	*ret = *from;
	*from = (struct stored_pages){};
	return 0;
}

static int load_chain(struct stored_pages *ret, const struct folder *f,
		      const struct stored_map *which, struct err *e)
{
	own_stored_pages p = {}, older = {};
	struct folder parent = {};
	char name[IMAGE_NAME_MAX];
	int r;

	r = load_folder(&p, f->fd, which, e);
	if (r < 0)
		return r;
	if (needs_parent(&p)) {
		r = open_parent(f, &parent, e);
		if (r < 0)
			return r;
		own_fd fd = parent.fd;
		if (is_base(which, &parent))
			return hand_over(ret, &p);
		r = load_chain(&older, &parent, which, e);
		if (r < 0)
			return err_on(e, "'parent'");
		r = resolve(&p, &older, e);
		if (r < 0)
			return err_on(e, "'%s'", image_name(name, which->kind, which->id));
	}
	return hand_over(ret, &p);
}

int stored_pages_load_upon(struct stored_pages *ret, const struct stored_map *which, struct err *e)
{
	struct folder f = { .fd = which->dir_fd };

	if (fstat(f.fd, &f.st) < 0)
		return err_sys(e, "stat the image folder");
	return load_chain(ret, &f, which, e);
}

int stored_pages_load(struct stored_pages *ret, int dir_fd, enum image_kind kind, uint64_t id,
		      struct err *e)
{
	return stored_pages_load_upon(ret, &(struct stored_map){ dir_fd, kind, id, NULL, NULL }, e);
}

int stored_pages_load_sent(struct stored_pages *ret, int dir_fd, uint64_t id, struct err *e)
{
	own_stored_pages p = {};
	own_image i = {};
	uint64_t size;

	if (image_open(&i, dir_fd, IMG_SENT, id, e) < 0 || read_runs(&i, &p, &size, e) < 0)
		return e->code;
	return hand_over(ret, &p);
}

int stored_pages_load_folder(struct stored_pages *ret, int dir_fd, enum image_kind kind,
			     uint64_t id, struct err *e)
{
	own_stored_pages p = {};

	if (load_folder(&p, dir_fd, &(struct stored_map){ dir_fd, kind, id, NULL, NULL }, e) < 0)
		return e->code;
	return hand_over(ret, &p);
}
