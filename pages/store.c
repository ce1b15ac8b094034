/* Storing what comes; see store.h. */
#include "pages/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "images/image.h"
#include "images/pages.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "pages/wire.h"

enum {
	FIRST_PAGES_ID = 65537,
	PIECE = 128 << 10,
	MOST_MAPS = 1 << 20, /* of one connection */
};
#define ADDRESSES (1UL << 57) /* as many bytes as a process can have, or an object */

/* What has been written: the map, and its pages file. */
struct stored_map_of {
	enum image_kind kind;
	uint64_t id;
	uint32_t pages_id;
};

struct store {
	int dir_fd;
	struct page_link *l;
	struct pagemap_writer w;
	bool open;
	uint64_t map;	 /* that is open, as it was named */
	bool has_parent; /* the folder before has it */
	uint64_t end;	 /* where the last entry ends */
	struct stored_map_of *all;
	size_t count;
	char *buf;
};

static bool parent_has(const struct store *s, enum image_kind kind, uint64_t id)
{
	char name[IMAGE_NAME_MAX];
	own_fd fd = openat(s->dir_fd, "parent", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && faccessat(fd, image_name(name, kind, id), F_OK, 0) == 0;
}

static int finish_map(struct store *s, struct err *e)
{
	int r = s->open ? pagemap_writer_finish(&s->w, e) : 0;

	pagemap_writer_drop(&s->w);
	s->open = false;
	return r;
}

/* What an earlier dump has left is no set of images any more. */
static int give_up_old(const struct store *s, struct err *e)
{
	if (unlinkat(s->dir_fd, "inventory.img", 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove 'inventory.img' of an earlier dump");
	return 0;
}

static int open_map(struct store *s, const struct page_request *r, struct err *e)
{
	struct stored_map_of m = { .pages_id = FIRST_PAGES_ID + s->count };

	if (request_map_parse(r->map, &m.kind, &m.id, e) < 0 || finish_map(s, e) < 0)
		return e->code;
	if (s->count == MOST_MAPS)
		return err_say(e, "these are too many page maps");
	for (size_t i = 0; i < s->count; i++)
		if (s->all[i].kind == m.kind && s->all[i].id == m.id)
			return err_say(e, "the page map %lu comes twice", m.id);
	if (!s->count && give_up_old(s, e) < 0)
		return e->code;
	if (io_grow(&s->all, s->count, sizeof(m), e) < 0)
		return e->code;
	s->all[s->count++] = m;
	s->w = (struct pagemap_writer){
		.dir_fd = s->dir_fd, .kind = m.kind, .id = m.id, .pages_id = m.pages_id
	};
	s->map = r->map;
	s->has_parent = parent_has(s, m.kind, m.id);
	s->end = 0;
	s->open = true;
	return pagemap_writer_begin(&s->w, e);
}

static int check_entry(const struct store *s, const struct page_request *r, unsigned flags,
		       struct err *e)
{
	const char *wrong = NULL;

	if (!s->open)
		wrong = "belongs to no page map";
	else if (r->map && r->map != s->map)
		wrong = "is of another page map than the one that is open";
	else if (r->vaddr % PAGE_SIZE)
		wrong = "does not begin on a page boundary";
	else if (!r->nr_pages || r->vaddr >= ADDRESSES ||
		 r->nr_pages > (ADDRESSES - r->vaddr) / PAGE_SIZE)
		wrong = "goes beyond any address";
	else if (r->vaddr < s->end)
		wrong = "overlaps the one before or is out of order";
	else if (!flags || flags & ~(PE_PARENT | PE_LAZY | PE_PRESENT) ||
		 (flags & PE_PARENT && flags != PE_PARENT))
		wrong = "has flags that make no sense";
	else if (flags & PE_PARENT && !s->has_parent)
		wrong = "is of a folder before, which has no such page map";
	if (!wrong)
		return 0;
	return err_say(e, "the entry of %lu pages at %lx (flags %u) %s", r->nr_pages, r->vaddr,
		       flags, wrong);
}

static int take_pages(struct store *s, uint64_t bytes, struct err *e)
{
	struct page_hand hand = {};

	while (bytes) {
		struct page_piece p = { .at = s->w.sink.taken };

		p.size = bytes < PIECE ? bytes : PIECE;
		if (link_read(s->l, s->buf, p.size, e) < 0)
			return e->code;
		if (page_sink_put(&s->w.sink, &hand, &p, s->buf, e) < 0)
			return err_on(e, "'pages-%u.img'", s->w.pages_id);
		bytes -= p.size;
	}
	return 0;
}

static int add_entry(struct store *s, const struct page_request *r, unsigned flags, struct err *e)
{
	if (check_entry(s, r, flags, e) < 0)
		return e->code;
	s->end = r->vaddr + r->nr_pages * PAGE_SIZE;
	if (pagemap_writer_add(&s->w, r->vaddr, r->nr_pages, flags, e) < 0)
		return e->code;
	return flags & PE_PRESENT ? take_pages(s, r->nr_pages * PAGE_SIZE, e) : 0;
}

static int answer_open(struct store *s, const struct page_request *r, struct err *e)
{
	uint8_t answer;

	if (open_map(s, r, e) < 0)
		return e->code;
	if (request_command(r) == PS_OPEN)
		return 0;
	answer = s->has_parent;
	return link_write(s->l, &answer, 1, e) < 0 ? e->code : link_flush(s->l, e);
}

static int answer_parent(struct store *s, const struct page_request *r, struct err *e)
{
	enum image_kind kind;
	uint64_t id;

	if (request_map_parse(r->map, &kind, &id, e) < 0)
		return e->code;
	return request_answer(s->l, parent_has(s, kind, id), e);
}

static int sync_file(const struct store *s, enum image_kind kind, uint64_t id, struct err *e)
{
	char name[IMAGE_NAME_MAX];
	own_fd fd = openat(s->dir_fd, image_name(name, kind, id), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(e, "fsync '%s'", name);
	return 0;
}

/* Who is told that all is stored may well end the process that it was. */
static int sync_all(const struct store *s, struct err *e)
{
	own_fd folder = openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < s->count; i++)
		if (sync_file(s, s->all[i].kind, s->all[i].id, e) < 0 ||
		    sync_file(s, IMG_PAGES, s->all[i].pages_id, e) < 0)
			return e->code;
	if (folder < 0 || fsync(folder) < 0)
		return err_sys(e, "fsync the image folder");
	return 0;
}

/* 1: it was the last. */
static int close_all(struct store *s, struct err *e)
{
	char c;
	struct err later = { 0 };

	if (finish_map(s, e) < 0 || sync_all(s, e) < 0 || request_answer(s->l, 0, e) < 0)
		return e->code;
	/* The other side closes first. */
	(void)!link_read_first(s->l, &c, 1, &later);
	return 1;
}

static int obey(struct store *s, const struct page_request *r, struct err *e)
{
	switch (request_command(r)) {
	case PS_OPEN:
	case PS_OPEN2:
		return answer_open(s, r, e);
	case PS_PARENT:
		return answer_parent(s, r, e);
	case PS_ADD:
		return add_entry(s, r, PE_PRESENT, e);
	case PS_HOLE:
		return add_entry(s, r, PE_PARENT, e);
	case PS_ADD_F:
		return add_entry(s, r, request_flags(r), e);
	case PS_CLOSE:
	case PS_FORCE_CLOSE:
		return close_all(s, e);
	case PS_GET:
		err_say(e, "it asks for pages, and this page server takes them");
		return err_hint(e, "start it with --lazy-pages");
	default:
		return err_say(e, "there is no command %#x", r->command);
	}
}

static int take_all(struct store *s, struct err *e)
{
	for (;;) {
		struct page_request r;
		int got = request_receive(s->l, &r, e);

		if (got == 0)
			return err_code(e, EPIPE, "%s has ended before it said that all was sent",
					s->l->name);
		if (got > 0)
			got = obey(s, &r, e);
		if (got)
			return got;
	}
}

int page_store_run(int dir_fd, struct page_link *l, struct err *e)
{
	struct store s = { .dir_fd = dir_fd, .l = l, .buf = malloc(PIECE) };
	int r = s.buf ? take_all(&s, e) : err_sys(e, "memory for pages");

	pagemap_writer_drop(&s.w);
	if (r > 0)
		log_info("%zu page maps are stored", s.count);
	free(s.all);
	free(s.buf);
	return r < 0 ? r : 0;
}
