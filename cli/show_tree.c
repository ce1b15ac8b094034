/*
 * 'stasis show --tree': the processes of a dump for a person: who is whose child, how much memory is stored,
 * which files are open.
 *
 *	4312 bash, session 4312, 312 pages (1.2 MiB)
 *	  : exe /usr/bin/bash
 *	  : fd 0 TTY /dev/pts/3
 *	    4320 sleep, session 4312, 20 pages (80.0 KiB)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/show.h"
#include "images/core.pb-c.h"
#include "images/file.pb-c.h"
#include "images/codec.h"
#include "images/mm/mm.pb-c.h"
#include "images/packed.pb-c.h"
#include "images/pagemap.pb-c.h"
#include "images/pages.h"
#include "images/pstree.pb-c.h"
#include "images/task/fs.pb-c.h"
#include "images/task/ids.pb-c.h"
#include "lib/log.h"
#include "lib/io.h"
#include "lib/own.h"

/* task_core_entry.task_state */
#define STATE_DEAD 2
#define STATE_STOPPED 3

/* The records of one file. */
struct list {
	void **items;
	size_t count;
};

struct view {
	int dir;
	FILE *out;
	struct list tasks; /* PstreeEntry */
	struct list files; /* FileEntry */
	unsigned int *depths;
};

static void list_free(struct list *l)
{
	for (size_t n = 0; n < l->count; n++)
		image_message_free(&l->items[n]);
	free(l->items);
}

static int list_load(struct list *ret, int dir, enum image_kind kind, uint64_t id, struct err *e)
{
	__attribute__((cleanup(list_free))) struct list l = {};
	own_image i = {};
	int r;

	r = image_open(&i, dir, kind, id, e);
	while (r >= 0) {
		own_message void *m = NULL;

		r = image_read(&i, image_info(kind)->first, &m, e);
		if (r == 0)
			break;
		if (r > 0)
			r = io_grow(&l.items, l.count, sizeof(*l.items), e);
		if (r >= 0)
			l.items[l.count++] = take_mem(m);
	}
	if (r < 0)
		return r;
	*ret = l;
	l = (struct list){};
	return 0;
}

/* Tun files have an entry of kind REG with the same id besides their own. */
static const FileEntry *find_file(const struct view *v, uint32_t id, FdTypes type)
{
	const FileEntry *other = NULL;

	for (size_t n = 0; n < v->files.count; n++) {
		const FileEntry *f = v->files.items[n];

		if (f->id == id && f->type == type)
			return f;
		if (f->id == id)
			other = f;
	}
	return other;
}

static const char *path_of(const struct view *v, uint32_t reg_id)
{
	const FileEntry *f = find_file(v, reg_id, FD_TYPES__REG);

	return f && f->reg ? f->reg->name : "?";
}

static void put_address(FILE *out, const uint32_t *words, size_t count, uint32_t port)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (count == 1 || count == 4)
		inet_ntop(count == 1 ? AF_INET : AF_INET6, words, text, sizeof(text));
	fprintf(out, count == 4 ? " [%s]:%u" : " %s:%u", text, port);
}

static void put_inet(FILE *out, const InetSkEntry *s)
{
	const char *proto = show_name("sk.proto", s->proto),
		   *state = show_name("sk.state", s->state);

	fprintf(out, " %s", proto ? proto : "?");
	put_address(out, s->src_addr, s->n_src_addr, s->src_port);
	if (s->dst_port) {
		fputs(" ->", out);
		put_address(out, s->dst_addr, s->n_dst_addr, s->dst_port);
	}
	fprintf(out, " %s", state ? state : "?");
}

/* Bytes of an image on a terminal: only what can be printed. */
static void put_clean(FILE *out, const void *text, size_t size)
{
	own_mem char *copy = malloc(size + 1);

	if (!copy)
		return;
	memcpy(copy, text, size);
	copy[size] = 0;
	for (size_t n = 0; n < size; n++)
		copy[n] = copy[n] ? copy[n] : '?';
	log_tame(copy);
	fputs(copy, out);
}

static void put_name(FILE *out, const char *name)
{
	fputc(' ', out);
	put_clean(out, name, strlen(name));
}

static void put_unix(FILE *out, const UnixSkEntry *s)
{
	size_t size = s->name.len;

	fprintf(out, " socket:[%u]", s->ino);
	if (s->peer)
		fprintf(out, " -> socket:[%u]", s->peer);
	if (size && !s->name.data[0]) {
		fputs(" @", out);
		put_clean(out, s->name.data + 1, size - 1);
	} else if (size) {
		fputc(' ', out);
		put_clean(out, s->name.data, strnlen((char *)s->name.data, size));
	}
}

static void put_file(const struct view *v, const FileEntry *f)
{
	if (f->reg)
		put_name(v->out, f->reg->name);
	else if (f->pipe)
		fprintf(v->out, " pipe:[%u]", f->pipe->pipe_id);
	else if (f->fifo && f->fifo->has_regf_id)
		put_name(v->out, path_of(v, f->fifo->regf_id));
	else if (f->tty && f->tty->has_regf_id)
		put_name(v->out, path_of(v, f->tty->regf_id));
	else if (f->isk)
		put_inet(v->out, f->isk);
	else if (f->usk)
		put_unix(v->out, f->usk);
	else if (f->tunf && f->tunf->netdev)
		put_name(v->out, f->tunf->netdev);
	else if (f->pidfd)
		fprintf(v->out, " pid %d", f->pidfd->nspid);
}

static void put_indent(const struct view *v, unsigned int depth)
{
	/* What is nested deeper than a screen is wide stays at its edge. */
	fprintf(v->out, "%*s", 4 * (depth < 20 ? depth : 20), "");
}

static void put_detail(const struct view *v, unsigned int depth, const char *what)
{
	put_indent(v, depth);
	fprintf(v->out, "  : %s", what);
}

static int show_descriptors(const struct view *v, uint32_t files_id, unsigned int depth,
			    struct err *e)
{
	__attribute__((cleanup(list_free))) struct list fds = {};
	int r;

	r = list_load(&fds, v->dir, IMG_FDINFO, files_id, e);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	for (size_t n = 0; n < fds.count; n++) {
		const FdinfoEntry *d = fds.items[n];
		const FileEntry *f = find_file(v, d->id, d->type);
		const ProtobufCEnumValue *type =
			protobuf_c_enum_descriptor_get_value(&fd_types__descriptor, d->type);

		put_detail(v, depth, "fd ");
		fprintf(v->out, "%u %s", d->fd, type ? type->name : "?");
		if (f)
			put_file(v, f);
		fputc('\n', v->out);
	}
	return 0;
}

static int show_paths(const struct view *v, uint32_t pid, unsigned int depth, struct err *e)
{
	own_message MmEntry *mm = NULL;
	own_message FsEntry *fs = NULL;
	int r;

	r = image_load(v->dir, IMG_MM, pid, &mm, e);
	if (r < 0)
		return r;
	r = image_load(v->dir, IMG_FS, pid, &fs, e);
	if (r < 0)
		return r;
	put_detail(v, depth, "exe");
	put_name(v->out, path_of(v, mm->exe_file_id));
	fputc('\n', v->out);
	put_detail(v, depth, "cwd");
	put_name(v->out, path_of(v, fs->cwd_id));
	fputc('\n', v->out);
	return 0;
}

/* Whether the pages of a map are compressed, or stored once. */
static void show_codec(const struct view *v, uint64_t pages_id)
{
	own_message PackedHead *head = NULL;
	own_image i = {};
	struct err none = {};

	if (image_open(&i, v->dir, IMG_PACKED, pages_id, &none) == 0 &&
	    image_read(&i, &packed_head__descriptor, &head, &none) > 0) {
		if (codec_find(head->codec))
			fprintf(v->out, ", compressed with %s", codec_find(head->codec)->name);
		if (head->version == PACKED_ONCE)
			fputs(", equal pages stored once", v->out);
	}
}

/* Counted from the map alone, so that it works where the pages are not. */
static int show_memory(const struct view *v, uint32_t pid, struct err *e)
{
	own_message PagemapHead *head = NULL;
	uint64_t all = 0, parent = 0, lazy = 0;
	own_image i = {};
	int r;

	r = image_open(&i, v->dir, IMG_PAGEMAP, pid, e);
	if (r == 0)
		r = image_read(&i, &pagemap_head__descriptor, &head, e);
	while (r > 0) {
		own_message PagemapEntry *entry = NULL;
		struct stored_run run;

		r = image_read(&i, &pagemap_entry__descriptor, &entry, e);
		if (r <= 0)
			break;
		run = stored_run_of(entry);
		all += run.nr_pages;
		parent += run.flags & PE_PARENT ? run.nr_pages : 0;
		lazy += run.flags == PE_LAZY ? run.nr_pages : 0;
	}
	if (r < 0)
		return r;
	if (all < (1 << 20) / PAGE_SIZE)
		fprintf(v->out, ", %lu pages (%lu KiB)", all, all * PAGE_SIZE >> 10);
	else
		fprintf(v->out, ", %lu pages (%.1f MiB)", all,
			all / (double)((1 << 20) / PAGE_SIZE));
	if (parent)
		fprintf(v->out, ", %lu of them in the parent's images", parent);
	if (lazy)
		fprintf(v->out, ", %lu of them not fetched yet", lazy);
	if (head)
		show_codec(v, head->pages_id);
	return 0;
}

static void show_end(const struct view *v, int status)
{
	if (WIFSIGNALED(status))
		fprintf(v->out, ", dead by signal %d", WTERMSIG(status));
	else
		fprintf(v->out, ", dead with status %d", WEXITSTATUS(status));
}

static int show_living(const struct view *v, const PstreeEntry *p, unsigned int depth,
		       struct err *e)
{
	own_message TaskKobjIdsEntry *ids = NULL;
	int r;

	if (p->n_threads > 1)
		fputs(", threads", v->out);
	for (size_t n = 1; n < p->n_threads; n++)
		fprintf(v->out, " %u", p->threads[n]);
	r = show_memory(v, p->pid, e);
	fputc('\n', v->out);
	if (r < 0)
		return r;
	r = show_paths(v, p->pid, depth, e);
	if (r < 0)
		return r;
	r = image_load(v->dir, IMG_IDS, p->pid, &ids, e);
	if (r < 0)
		return r;
	return show_descriptors(v, ids->files_id, depth, e);
}

static int show_task(const struct view *v, const PstreeEntry *p, unsigned int depth, struct err *e)
{
	own_message CoreEntry *core = NULL;
	int r;

	r = image_load(v->dir, IMG_CORE, p->pid, &core, e);
	if (r < 0)
		return r;
	if (!core->tc)
		return err_say(e, "'core-%u.img' is that of a thread, not of a process", p->pid);
	put_indent(v, depth);
	fprintf(v->out, "%u", p->pid);
	put_name(v->out, core->tc->comm);
	fprintf(v->out, ", session %u", p->sid);
	if (core->tc->task_state == STATE_DEAD) {
		show_end(v, core->tc->exit_code);
		fputc('\n', v->out);
		return 0;
	}
	if (core->tc->task_state == STATE_STOPPED)
		fputs(", stopped", v->out);
	return show_living(v, p, depth, e);
}

/* Parents come before their children, so one look back at those before is enough. */
static int find_depth(struct view *v, size_t n, struct err *e)
{
	const PstreeEntry *p = v->tasks.items[n];

	v->depths[n] = 0;
	if (!p->ppid)
		return 0;
	for (size_t k = n; k-- > 0;) {
		const PstreeEntry *other = v->tasks.items[k];

		if (other->pid != p->ppid)
			continue;
		v->depths[n] = v->depths[k] + 1;
		return 0;
	}
	return err_say(e, "'pstree.img' is damaged: pid %u comes before its parent %u", p->pid,
		       p->ppid);
}

static void view_free(struct view *v)
{
	list_free(&v->tasks);
	list_free(&v->files);
	free(v->depths);
}

int show_tree(int dir_fd, FILE *out, struct err *e)
{
	__attribute__((cleanup(view_free))) struct view v = { .dir = dir_fd, .out = out };
	int r;

	r = list_load(&v.tasks, dir_fd, IMG_PSTREE, 0, e);
	if (r < 0)
		return r;
	r = list_load(&v.files, dir_fd, IMG_FILES, 0, e);
	if (r < 0 && r != -ENOENT)
		return r;
	v.depths = calloc(v.tasks.count + 1, sizeof(*v.depths));
	if (!v.depths)
		return err_sys(e, "memory for the tree");
	for (size_t n = 0; n < v.tasks.count; n++) {
		r = find_depth(&v, n, e);
		if (r < 0)
			return r;
		r = show_task(&v, v.tasks.items[n], v.depths[n], e);
		if (r < 0)
			return r;
	}
	return show_mounts(dir_fd, out, e);
}
