/*
 * BPF maps that are arrays or hashes, with what is in them. They are read by a descriptor of our own, since that of the
 * program may be for writing only. Programs that use a map, or names that it has in a file system, stay with the old one.
 */
#include "images/fd/bpfmap.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include "dump/files_table.h"
#include "images/image.h"
#include "lib/io.h"

extern const struct fd_kind bpfmap_fd_kind;

/* What a map can be made with again, knowing no more than this. */
enum {
	KNOWN_FLAGS = BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG |
		      BPF_F_MMAPABLE,
};

static bool bpfmap_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:bpf-map") == 0;
}

static int call(int what, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, what, attr, sizeof(*attr));
}

static int own_descriptor(uint32_t map_id, int *ret, struct err *e)
{
	union bpf_attr attr = { .map_id = map_id };
	int fd = call(BPF_MAP_GET_FD_BY_ID, &attr);

	if (fd < 0)
		return err_sys(e, "open BPF map %u", map_id);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret = fd;
	return 0;
}

static int refuse(const char *what, uint32_t number, struct err *e)
{
	err_code(e, ENOTSUP, "it is a BPF map %s (%#x), which is not supported", what, number);
	return err_hint(e, "let the program close it before the dump");
}

static int read_info(const struct file *f, BpfmapFileEntry *m, struct err *e)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = f->fd, .info_len = sizeof(info) } };
	uint64_t value = 0;

	attr.info.info = (uintptr_t)&info;
	if (call(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
		return err_sys(e, "ask what the BPF map is like");
	m->map_type = info.type;
	m->map_id = info.id;
	m->key_size = info.key_size;
	m->value_size = info.value_size;
	m->max_entries = info.max_entries;
	m->map_flags = info.map_flags;
	m->map_name = (char *)pool_text(&f->dump->pool, info.name);
	m->ifindex = info.ifindex;
	if (files_number(f->fdinfo, "memlock", 10, &value))
		m->memlock = value;
	if (files_number(f->fdinfo, "frozen", 10, &value))
		m->frozen = value != 0;
	m->has_map_extra = files_number(f->fdinfo, "map_extra", 16, &m->map_extra) && m->map_extra;
	if (m->map_type != BPF_MAP_TYPE_ARRAY && m->map_type != BPF_MAP_TYPE_HASH)
		return refuse("of another type than array and hash", m->map_type, e);
	if (m->map_flags & ~(uint32_t)KNOWN_FLAGS)
		return refuse("with flags that are not known", m->map_flags, e);
	return m->ifindex ? refuse("of a network device", m->ifindex, e) : 0;
}

static int bpfmap_dump(struct file *f, FileEntry *entry, struct err *e)
{
	BpfmapFileEntry *m = pool_new(&f->dump->pool, BpfmapFileEntry);

	bpfmap_file_entry__init(m);
	m->id = f->id;
	m->flags = f->flags;
	m->pos = f->pos;
	m->fown = f->fown;
	entry->bpf = m;
	return read_info(f, m, e);
}

/* --- contents ---------------------------------------------------------------------------------- */

struct contents {
	char *keys, *values;
	size_t count;
};

static void *element(char *all, size_t size, size_t number)
{
	return all + size * number;
}

static int look_up(int fd, const BpfmapFileEntry *m, struct contents *c)
{
	union bpf_attr attr = { .map_fd = fd };

	attr.key = (uintptr_t)element(c->keys, m->key_size, c->count);
	attr.value = (uintptr_t)element(c->values, m->value_size, c->count);
	return call(BPF_MAP_LOOKUP_ELEM, &attr);
}

/* One key after the other. Who changes the map meanwhile is a program of the kernel's. */
static int read_contents(int fd, const BpfmapFileEntry *m, struct contents *c, struct err *e)
{
	for (c->count = 0;;) {
		union bpf_attr attr = { .map_fd = fd };

		if (c->count)
			attr.key = (uintptr_t)element(c->keys, m->key_size, c->count - 1);
		attr.next_key = (uintptr_t)element(c->keys, m->key_size, c->count);
		if (call(BPF_MAP_GET_NEXT_KEY, &attr) < 0) {
			if (errno == ENOENT)
				return 0;
			return err_sys(e, "look for the next key");
		}
		if (c->count == m->max_entries || look_up(fd, m, c) < 0)
			return err_code(e, EBUSY, "it is changing while it is read");
		c->count++;
	}
}

static int write_contents(struct image *img, const BpfmapFileEntry *m, const struct contents *c,
			  struct err *e)
{
	BpfmapDataEntry data = BPFMAP_DATA_ENTRY__INIT;

	data.map_id = m->map_id;
	data.count = c->count;
	data.keys_bytes = m->key_size * c->count;
	data.values_bytes = m->value_size * c->count;
	if (image_write(img, &data, e) < 0 ||
	    (data.keys_bytes && image_write_extra(img, c->keys, data.keys_bytes, e) < 0))
		return e->code;
	return data.values_bytes ? image_write_extra(img, c->values, data.values_bytes, e) : 0;
}

static int save(struct image *img, const BpfmapFileEntry *m, struct err *e)
{
	size_t room = m->max_entries + 1UL;
	own_mem char *keys = NULL, *values = NULL;
	struct contents c;
	own_fd fd = -1;
	int got = -1;

	if (room * (m->key_size > m->value_size ? m->key_size : m->value_size) > UINT32_MAX)
		return err_code(e, ENOTSUP,
				"it has room for more than 4 GiB, which is not supported");
	if (own_descriptor(m->map_id, &got, e) < 0)
		return e->code;
	fd = got;
	c.keys = keys = malloc(room * m->key_size);
	c.values = values = malloc(room * m->value_size);
	if (!keys || !values)
		return err_sys(e, "memory for a BPF map");
	if (read_contents(fd, m, &c, e) < 0)
		return e->code;
	return write_contents(img, m, &c, e);
}

static bool is_first(const struct dump *d, const struct file *f)
{
	const struct file *o = files_next(d, &bpfmap_fd_kind, NULL);

	while (o != f && o->entry->bpf->map_id != f->entry->bpf->map_id)
		o = files_next(d, &bpfmap_fd_kind, o);
	return o == f;
}

static int bpfmap_finish(struct dump *d, struct err *e)
{
	own_image img = {};

	for (struct file *f = NULL; (f = files_next(d, &bpfmap_fd_kind, f));) {
		if (!is_first(d, f))
			continue;
		if (!img.file && image_create(&img, d->images, IMG_BPFMAP_DATA, 0, e) < 0)
			return e->code;
		if (save(&img, f->entry->bpf, e) < 0)
			return files_blame(f, e);
	}
	return image_close(&img, e);
}

const struct fd_kind bpfmap_fd_kind = {
	.name = "fd/bpfmap",
	.type = FD_TYPES__BPFMAP,
	.match = bpfmap_match,
	.dump = bpfmap_dump,
	.finish = bpfmap_finish,
};
