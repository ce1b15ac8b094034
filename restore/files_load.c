/*
 * Reading files.img and fdinfo-*.img. Everything that refers to something else is checked here, so that
 * what comes later may rely on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/files_table.h"

static int by_id(const void *va, const void *vb)
{
	const struct rfile *a = va, *b = vb;

	return a->id < b->id ? -1 : a->id > b->id;
}

struct rfile *rfiles_find(const struct restore *r, uint32_t id)
{
	struct rfile key = { .id = id };

	return r->files && r->files->count ?
		       bsearch(&key, r->files->files, r->files->count, sizeof(key), by_id) :
		       NULL;
}

const FileExtraEntry *rfiles_extra(const struct restore *r, uint32_t id)
{
	const struct rfile *f = rfiles_find(r, id);

	return f ? f->extra : NULL;
}

const FileEntry *rfiles_entry(const struct restore *r, uint32_t id)
{
	const struct rfile *f = rfiles_find(r, id);

	return f ? f->entry : NULL;
}

static const struct fd_restore_kind *kind_of(const struct rfile *f)
{
	for (size_t i = 0; i < fd_restore_kind_count; i++) {
		const struct fd_restore_kind *kind = fd_restore_kinds[i];

		if (kind->make && kind->type == f->entry->type &&
		    (!kind->takes || (f->extra && kind->takes(f->extra))))
			return kind;
	}
	return NULL;
}

static int add_file(struct rfiles *files, FileEntry *entry, struct err *e)
{
	struct rfile *f;

	if (!protobuf_c_enum_descriptor_get_value(&fd_types__descriptor, entry->type))
		return err_code(e, ENOTSUP,
				"'files.img' has file %u of a kind that this program does not know "
				"(%d), which is not supported",
				entry->id, entry->type);
	if (!rfiles_entry_whole(entry))
		return err_say(e, "'files.img' has no data for file %u", entry->id);
	if (io_grow(&files->files, files->count, sizeof(*files->files), e) < 0)
		return e->code;
	f = &files->files[files->count++];
	*f = (struct rfile){
		.id = entry->id, .entry = entry, .fd = -1, .path_fd = -1, .placed = -1
	};
	for (int i = 0; i < ACCESS_MODES; i++)
		f->opened[i] = -1;
	return 0;
}

/* The kernel tells whole paths, in which nothing goes up. */
static int check_path(const RegFileEntry *reg, struct err *e)
{
	const char *name = reg->name;
	size_t size = strlen(name);

	if (size >= PATH_MAX)
		return err_say(e, "'files.img' has file %u with a path of %zu bytes", reg->id,
			       size);
	/* A file from outside of the tree has the words by which it is given back. */
	if ((name[0] != '/' && !reg->ext) || strstr(name, "/../") ||
	    (size >= 3 && strcmp(name + size - 3, "/..") == 0))
		return err_say(e, "'files.img' has file %u with '%s', which is no whole path",
			       reg->id, name);
	return 0;
}

static int load_files(struct restore *r, struct err *e)
{
	struct rfiles *files = r->files;
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_FILES, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message FileEntry *entry = NULL;

		got = image_read(&img, &file_entry__descriptor, &entry, e);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		if (add_file(files, entry, e) < 0)
			return e->code;
		take_mem(entry);
	}
	if (files->count)
		qsort(files->files, files->count, sizeof(*files->files), by_id);
	for (size_t i = 1; i < files->count; i++)
		if (files->files[i - 1].id == files->files[i].id)
			return err_say(e, "'files.img' has two files of the number %u",
				       files->files[i].id);
	for (size_t i = 0; i < files->count; i++)
		if (files->files[i].entry->reg && check_path(files->files[i].entry->reg, e) < 0)
			return e->code;
	return 0;
}

/* What only we have. A second message of the same file counts for nothing. */
static int load_extra(struct restore *r, struct err *e)
{
	own_image img = {};
	int got = image_open(&img, r->images, IMG_FILE_EXTRA, 0, e);

	if (got == -ENOENT)
		*e = (struct err){ 0 };
	if (got < 0)
		return e->code;
	for (;;) {
		own_message FileExtraEntry *extra = NULL;
		struct rfile *f;

		got = image_read(&img, &file_extra_entry__descriptor, &extra, e);
		if (got <= 0)
			return got;
		f = rfiles_find(r, extra->id);
		if (f && !f->extra)
			f->extra = take_mem(extra);
	}
}

static int by_number(const void *va, const void *vb)
{
	const FdinfoEntry *a = *(FdinfoEntry *const *)va, *b = *(FdinfoEntry *const *)vb;

	return a->fd < b->fd ? -1 : a->fd > b->fd;
}

static const char *type_name(FdTypes type)
{
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(&fd_types__descriptor, type);

	return v ? v->name : "file of an unknown kind";
}

/* Of a socket the number of a network namespace in the images; 0: they do not say. */
static uint32_t network_of(const FileEntry *f)
{
	if (f->isk)
		return f->isk->ns_id;
	if (f->usk)
		return f->usk->ns_id;
	if (f->psk)
		return f->psk->ns_id;
	return f->nlsk ? f->nlsk->ns_id : 0;
}

static int check_network(const struct rtask *t, const FileEntry *f, uint32_t number, struct err *e)
{
	uint32_t its = network_of(f);

	if (!its || !t->ids || its == t->ids->net_ns_id)
		return 0;
	return err_code(
		e, ENOTSUP,
		"fd %u of pid %d is a socket of another network namespace (%u) than the one "
		"that it lives in (%u), which is not supported",
		number, t->pid, its, t->ids->net_ns_id);
}

static int check_number(struct restore *r, const struct rtable *table, const FdinfoEntry *at,
			struct err *e)
{
	struct rfile *f = rfiles_find(r, at->id);

	if (at->fd > INT_MAX / 2)
		return err_say(e, "'fdinfo-%u.img' has a descriptor %u", table->files_id, at->fd);
	if (!f)
		return err_say(e,
			       "'fdinfo-%u.img' has fd %u as file %u, which is not in "
			       "'files.img'",
			       table->files_id, at->fd, at->id);
	if (f->entry->type != at->type)
		return err_say(e, "fd %u in 'fdinfo-%u.img' is a %s, but a %s in 'files.img'",
			       at->fd, table->files_id, type_name(at->type),
			       type_name(f->entry->type));
	if (!f->kind)
		return err_code(e, ENOTSUP, "fd %u of pid %d is a %s, which is not supported yet",
				at->fd, table->task->pid, type_name(at->type));
	if (check_network(table->task, f->entry, at->fd, e) < 0)
		return e->code;
	if (!f->owner || table->task->pid < f->owner->pid) {
		f->owner = table->task;
		f->number = at->fd;
	}
	return 0;
}

static int load_table(struct restore *r, struct rtable *table, struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_FDINFO, table->files_id, e) < 0)
		return e->code;
	for (;;) {
		own_message FdinfoEntry *entry = NULL;

		got = image_read(&img, &fdinfo_entry__descriptor, &entry, e);
		if (got < 0)
			return got;
		if (got == 0)
			break;
		if (io_grow(&table->at, table->count, sizeof(*table->at), e) < 0)
			return e->code;
		table->at[table->count++] = take_mem(entry);
	}
	if (table->count)
		qsort(table->at, table->count, sizeof(*table->at), by_number);
	for (size_t i = 0; i < table->count; i++) {
		if (i && table->at[i - 1]->fd == table->at[i]->fd)
			return err_say(e, "'fdinfo-%u.img' has fd %u twice", table->files_id,
				       table->at[i]->fd);
		if (check_number(r, table, table->at[i], e) < 0)
			return e->code;
	}
	return 0;
}

static bool has_table(const struct rfiles *files, uint32_t files_id)
{
	for (size_t i = 0; i < files->table_count; i++)
		if (files->tables[i].files_id == files_id)
			return true;
	return false;
}

static int add_table(struct restore *r, struct rtask *t, struct err *e)
{
	struct rfiles *files = r->files;
	struct rtable *table;

	if (io_grow(&files->tables, files->table_count, sizeof(*files->tables), e) < 0)
		return e->code;
	table = &files->tables[files->table_count++];
	*table = (struct rtable){ .files_id = t->ids->files_id, .task = t };
	return load_table(r, table, e);
}

struct rtable *rfiles_table(const struct rtask *t)
{
	struct rfiles *files = t->restore->files;

	for (size_t i = 0; files && i < files->table_count; i++)
		if (files->tables[i].task == t)
			return &files->tables[i];
	return NULL;
}

static int check_fs(const struct restore *r, const struct rtask *t, struct err *e)
{
	const uint32_t ids[] = { t->fs->cwd_id, t->fs->root_id };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const FileEntry *f = rfiles_entry(r, ids[i]);

		if (!f || !f->reg)
			return err_say(e,
				       "'fs-%d.img' names file %u, which is no directory in "
				       "'files.img'",
				       t->pid, ids[i]);
	}
	return 0;
}

int rfiles_load(struct restore *r, struct err *e)
{
	r->files = pool_new(&r->pool, struct rfiles);
	r->files->root = -1;
	if (load_files(r, e) < 0 || load_extra(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->files->count; i++)
		r->files->files[i].kind = kind_of(&r->files->files[i]);
	if (remaps_load(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];

		if (!t->ids || !t->fs)
			continue;
		if (check_fs(r, t, e) < 0)
			return e->code;
		if (!has_table(r->files, t->ids->files_id) && add_table(r, t, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < fd_restore_kind_count; i++)
		if (fd_restore_kinds[i]->load && fd_restore_kinds[i]->load(r, e) < 0)
			return e->code;
	return 0;
}
