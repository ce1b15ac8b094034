/*
 * Rings of io_uring that rest: nothing is under way. The ring is made anew with as many entries, counts as far as it had,
 * has what waits in it, and registered files and buffers.
 *
 * Nobody tells whether requests are under way. Each takes an entry and leaves a completion, so the two numbers are
 * equal when none is; a request that has none, or several, makes them differ for ever, and the ring is refused.
 */
#include "dump/fd/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dump/files_table.h"
#include "lib/bpf_files.h"
#include "lib/io.h"

/* How long after the stop requests are waited for, in microseconds: those that the kernel's workers have may end. */
enum { PATIENCE = 1000000, CQE_MORE = 1 << 1 };

extern const struct fd_kind uring_fd_kind;

static bool uring_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:[io_uring]") == 0;
}

static int refuse(const char *what, struct err *e)
{
	err_code(e, ENOTSUP, "%s, which is not supported", what);
	return err_hint(e, "let the program close it before the dump");
}

/* The kernel's own text, of now. It has none of this while somebody else uses the ring. */
static int read_text(const struct file *f, char **ret, struct err *e)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
	return io_slurp(AT_FDCWD, path, ret, NULL, e);
}

static bool number(const char *text, const char *name, uint32_t *ret)
{
	uint64_t value;

	if (!files_number(text, name, 0, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

/* Whether there is anything in the list of this name. */
static bool has_entries(const char *text, const char *name)
{
	const char *list = strstr(text, name);

	list = list ? strchr(list, '\n') : NULL;
	return list && list[1] == ' ';
}

struct counts {
	uint32_t sq_mask, cq_mask, sq_head, cq_tail;
};

static int parse(const char *text, struct counts *c, struct err *e)
{
	const char *thread = strstr(text, "\nSqThread:"), *napi = strstr(text, "\nNAPI:");

	if (!number(text, "SqMask", &c->sq_mask) || !number(text, "CqMask", &c->cq_mask) ||
	    !number(text, "CachedSqHead", &c->sq_head) ||
	    !number(text, "CachedCqTail", &c->cq_tail) || !thread)
		return err_code(e, ENOTSUP, "this kernel does not tell its entries");
	if (atoi(thread + strlen("\nSqThread:")) != -1)
		return refuse("a thread of the kernel looks after it (IORING_SETUP_SQPOLL)", e);
	if (napi && !strstr(napi, "disabled"))
		return refuse("it looks at network devices by itself (NAPI)", e);
	return 0;
}

static bool rests(const struct uring *u, const char *text, const struct counts *c)
{
	const struct io_uring_params *p = &u->params;
	uint32_t taken = c->sq_head - *uring_word(u, p->sq_off.dropped);

	return taken == c->cq_tail + *uring_word(u, p->cq_off.overflow) &&
	       !has_entries(text, "\nPollList:") && !has_entries(text, "\nCqOverflowList:");
}

static int await_rest(const struct file *f, const struct uring *u, struct counts *c, struct err *e)
{
	for (;;) {
		own_mem char *text = NULL;

		if (read_text(f, &text, e) < 0 || parse(text, c, e) < 0)
			return e->code;
		if (rests(u, text, c))
			return 0;
		if (io_now_us() - f->dump->frozen_at >= PATIENCE)
			break;
		usleep(1000);
	}
	err_code(e, EBUSY,
		 "requests are under way in it, or may be (it has taken %u and completed %u)",
		 c->sq_head, c->cq_tail);
	return err_hint(e, "try again when they are done");
}

/* --- registered files and buffers -------------------------------------------------------------- */

/* The next line of a list: its number, and what stands behind. NULL: the list is over. */
static const char *next_line(const char *at, uint32_t *ret_slot, const char **ret_rest)
{
	int used = 0;

	at = at ? strchr(at, '\n') : NULL;
	if (!at || at[1] != ' ' || sscanf(at + 1, " %u: %n", ret_slot, &used) != 1 || !used)
		return NULL;
	*ret_rest = at + 1 + used;
	return at + 1;
}

static int read_buffers(struct file *f, UringEntry *r, const char *text, struct err *e)
{
	const char *list = strstr(text, "\nUserBufs:"), *rest;
	uint32_t count, slot;

	if (!list || !number(text, "UserBufs", &count) || !count)
		return 0;
	if (count > URING_ENTRIES_MAX)
		return refuse("it has more buffers than are known", e);
	r->buffers = pool_array(&f->dump->pool, UringBuffer *, count);
	for (r->n_buffers = 0; r->n_buffers < count; r->n_buffers++) {
		r->buffers[r->n_buffers] = pool_new(&f->dump->pool, UringBuffer);
		uring_buffer__init(r->buffers[r->n_buffers]);
	}
	for (list++; (list = next_line(list, &slot, &rest));) {
		unsigned long address, size;

		if (slot >= count || sscanf(rest, "0x%lx/%lu", &address, &size) != 2)
			continue;
		r->buffers[slot]->address = address;
		r->buffers[slot]->size = size;
	}
	return 0;
}

/* The descriptor that leads there. -1: none does, or several that are not the same. */
static int find_descriptor(const struct fd_table *table, const char *link, size_t size)
{
	const struct descriptor *found = NULL;

	for (size_t i = 0; i < table->count; i++) {
		const struct descriptor *at = &table->at[i];

		if (strncmp(at->file->link, link, size) != 0 || at->file->link[size])
			continue;
		if (found && found->file != at->file)
			return -1;
		found = at;
	}
	return found ? found->num : -1;
}

/* The kernel tells paths, and no numbers: they are looked for among the descriptors of the task. */
static int find_files(const struct file *f, UringEntry *r, struct err *e)
{
	const char *text = f->note, *list = strstr(text, "\nUserFiles:"), *rest;
	uint32_t count, slot;

	if (!list || !number(text, "UserFiles", &count) || !count)
		return 0;
	if (count > URING_ENTRIES_MAX)
		return refuse("it has more registered files than are known", e);
	r->has_file_slots = 1;
	r->file_slots = count;
	r->files = pool_array(&f->dump->pool, UringFile *, count);
	for (list++; (list = next_line(list, &slot, &rest));) {
		int size = (int)strcspn(rest, "\n"), fd;
		UringFile *file;

		if (strncmp(rest, "<none>", size) == 0)
			continue; /* a slot that is free: up to 6.12 they are in the list */
		fd = find_descriptor(files_table(f->task), rest, size);
		file = pool_new(&f->dump->pool, UringFile);
		if (fd < 0) {
			err_code(
				e, ENOTSUP,
				"it is not to be known which descriptor the registered file '%.*s' "
				"is: none leads there, or several do",
				size, rest);
			return err_hint(e, "let the program unregister it before the dump");
		}
		uring_file__init(file);
		file->slot = slot;
		file->fd = fd;
		if (r->n_files < count)
			r->files[r->n_files++] = file;
	}
	return 0;
}

/* What it has registered is of one process, and it is not told which. */
static bool is_shared(const struct file *f)
{
	size_t tables = 0;

	for (const struct fd_table *t = f->dump->files->tables; t; t = t->next)
		for (size_t i = 0; i < t->count; i++)
			if (t->at[i].file == f) {
				tables++;
				break;
			}
	return tables > 1;
}

static int uring_finish(struct dump *d, struct err *e)
{
	for (struct file *f = NULL; (f = files_next(d, &uring_fd_kind, f));) {
		UringEntry *r = f->extra->uring;

		if (find_files(f, r, e) < 0)
			return files_blame(f, e);
		if ((r->n_buffers || r->n_files) && is_shared(f)) {
			refuse("several processes have it, and files or buffers are registered", e);
			return files_blame(f, e);
		}
	}
	return 0;
}

/* --- the ring ---------------------------------------------------------------------------------- */

/* A request that goes on after a completion says so in it; the ring has those of late. */
static bool goes_on(const struct uring *u, const struct counts *c)
{
	const struct io_uring_params *p = &u->params;
	uint32_t step = p->flags & IORING_SETUP_CQE32 ? 2 : 1;
	uint32_t count = c->cq_tail < p->cq_entries ? c->cq_tail : p->cq_entries;
	const struct io_uring_cqe *cqes = (const void *)(u->ring + p->cq_off.cqes);

	for (uint32_t i = 0; i < count; i++)
		if (cqes[(uint64_t)(((c->cq_tail - 1 - i) & (p->cq_entries - 1)) * step)].flags &
		    CQE_MORE)
			return true;
	return false;
}

static int describe(struct file *f, const struct uring *u, const struct counts *c, struct err *e)
{
	struct pool *pool = &f->dump->pool;
	UringEntry *r = files_extra(f)->uring = pool_new(pool, UringEntry);
	const struct io_uring_params *p = &u->params;

	if (goes_on(u, c))
		return err_code(e, EBUSY,
				"a request with several completions is, or was, under way in it, "
				"which is not supported");
	if (c->cq_tail > URING_COUNT_MAX)
		return err_code(e, ENOTSUP,
				"it has done %u requests; more than %u are not counted up again",
				c->cq_tail, URING_COUNT_MAX);
	uring_entry__init(r);
	r->ino = f->st.st_ino;
	r->setup = p->flags;
	r->sq_entries = p->sq_entries;
	r->cq_entries = p->cq_entries;
	r->sq_head = c->sq_head;
	r->cq_tail = c->cq_tail;
	r->features = p->features;
	r->n_layout = URING_LAYOUT;
	r->layout = pool_array(pool, uint32_t, URING_LAYOUT);
	uring_layout(p, r->layout);
	r->ring.len = uring_ring_size(p);
	r->ring.data = pool_copy(pool, u->ring, r->ring.len);
	r->sqes.len = uring_sqes_size(p);
	r->sqes.data = pool_copy(pool, u->sqes, r->sqes.len);
	return 0;
}

static int read_ring(struct file *f, struct uring *u, struct err *e)
{
	struct counts c;
	own_mem char *text = NULL;

	if (read_text(f, &text, e) < 0 || parse(text, &c, e) < 0)
		return e->code;
	f->note = pool_text(&f->dump->pool, text);
	u->params.sq_entries = c.sq_mask + 1;
	u->params.cq_entries = c.cq_mask + 1;
	if (c.sq_mask >= URING_ENTRIES_MAX || c.cq_mask >= 2 * URING_ENTRIES_MAX)
		return refuse("it has more entries than are known", e);
	if (uring_check_registered(u, e) < 0 || uring_look(u, e) < 0 || await_rest(f, u, &c, e) < 0)
		return e->code;
	if (describe(f, u, &c, e) < 0)
		return e->code;
	return read_buffers(f, f->extra->uring, text, e);
}

static int look_for_groups(const struct file *f, struct uring *u, struct err *e)
{
	const struct file_told *told = NULL;

	if (f->num >= 0 && files_told(f->dump->files, f->task->pid, f->num, &told, e) < 0)
		return e->code;
	u->no_groups = told && !told->groups;
	return 0;
}

static int uring_dump(struct file *f, FileEntry *entry, struct err *e)
{
	struct uring u = { .fd = f->fd };
	int r = look_for_groups(f, &u, e);

	if (r == 0)
		r = read_ring(f, &u, e);
	uring_unmap(&u);
	if (r < 0)
		return r;
	entry->ext = pool_new(&f->dump->pool, ExtFileEntry);
	ext_file_entry__init(entry->ext);
	entry->ext->id = f->id;
	entry->ext->fown = f->fown;
	return 0;
}

const struct fd_kind uring_fd_kind = {
	.name = "fd/uring",
	.type = FD_TYPES__EXT,
	.match = uring_match,
	.dump = uring_dump,
	.finish = uring_finish,
};
