/*
 * BPF maps: each is made once, filled and frozen; its descriptions are opened by the number that the kernel gives it.
 */
#include "images/fd/bpfmap.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/files_table.h"

/* A map of the images: what is in it, and ours. */
struct rbpfmap {
	BpfmapDataEntry *data;
	char *keys, *values;
	int fd; /* -1: not made */
	uint32_t id;
};

struct rbpfmaps {
	struct rbpfmap *at;
	size_t count;
};

static int call(int what, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, what, attr, sizeof(*attr));
}

static int load_one(struct image *img, struct rbpfmaps *all, BpfmapDataEntry *data, struct err *e)
{
	struct rbpfmap m = { .data = data, .fd = -1 };

	if (io_grow(&all->at, all->count, sizeof(*all->at), e) < 0 ||
	    image_take_extra(img, data->keys_bytes, &m.keys, e) < 0) {
		protobuf_c_message_free_unpacked(&data->base, NULL);
		return e->code;
	}
	all->at[all->count++] = m;
	return image_take_extra(img, data->values_bytes, &all->at[all->count - 1].values, e);
}

static int bpfmap_load(struct restore *r, struct err *e)
{
	struct rbpfmaps *all = r->files->bpfmaps = pool_new(&r->pool, struct rbpfmaps);
	own_image img = {};
	int got = image_open(&img, r->images, IMG_BPFMAP_DATA, 0, e);

	if (got == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	if (got < 0)
		return got;
	for (;;) {
		BpfmapDataEntry *data = NULL;

		got = image_read(&img, &bpfmap_data_entry__descriptor, &data, e);
		if (got <= 0)
			return got;
		if (load_one(&img, all, data, e) < 0)
			return e->code;
	}
}

static struct rbpfmap *find(const struct rbpfmaps *all, uint32_t map_id)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].data->map_id == map_id)
			return &all->at[i];
	return NULL;
}

static int fill(const struct rbpfmap *map, const BpfmapFileEntry *m, struct err *e)
{
	const BpfmapDataEntry *d = map->data;

	if ((uint64_t)d->count * m->key_size != d->keys_bytes ||
	    (uint64_t)d->count * m->value_size != d->values_bytes)
		return err_say(e, "the images have %u elements of it in %u and %u bytes", d->count,
			       d->keys_bytes, d->values_bytes);
	for (uint32_t i = 0; i < d->count; i++) {
		union bpf_attr attr = { .map_fd = map->fd };

		attr.key = (uintptr_t)(map->keys + (size_t)i * m->key_size);
		attr.value = (uintptr_t)(map->values + (size_t)i * m->value_size);
		if (call(BPF_MAP_UPDATE_ELEM, &attr) < 0)
			return err_sys(e, "put element %u into the BPF map", i);
	}
	return 0;
}

static int read_id(struct rbpfmap *map, struct err *e)
{
	struct bpf_map_info info = { 0 };
	union bpf_attr attr = { .info = { .bpf_fd = map->fd, .info_len = sizeof(info) } };

	attr.info.info = (uintptr_t)&info;
	if (call(BPF_OBJ_GET_INFO_BY_FD, &attr) < 0)
		return err_sys(e, "ask for the number of the BPF map");
	map->id = info.id;
	return 0;
}

static int create(struct rbpfmap *map, const BpfmapFileEntry *m, struct err *e)
{
	union bpf_attr attr = { .map_type = m->map_type,
				.key_size = m->key_size,
				.value_size = m->value_size,
				.max_entries = m->max_entries,
				.map_flags = m->map_flags,
				.map_extra = m->map_extra };

	strncpy(attr.map_name, m->map_name, sizeof(attr.map_name) - 1);
	map->fd = call(BPF_MAP_CREATE, &attr);
	if (map->fd < 0)
		return err_sys(e, "make a BPF map of type %u with %u entries", m->map_type,
			       m->max_entries);
	fcntl(map->fd, F_SETFD, FD_CLOEXEC);
	if (fill(map, m, e) < 0 || read_id(map, e) < 0)
		return e->code;
	attr = (union bpf_attr){ .map_fd = map->fd };
	if (m->frozen && call(BPF_MAP_FREEZE, &attr) < 0)
		return err_sys(e, "freeze the BPF map");
	return 0;
}

/* The descriptor that it was made with is for both; others are as they were. */
static int bpfmap_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	static const uint32_t access[] = { BPF_F_RDONLY, BPF_F_WRONLY, 0, 0 };
	const BpfmapFileEntry *m = f->bpf;
	struct rbpfmap *map = find(r->files->bpfmaps, m->map_id);
	union bpf_attr attr = { 0 };
	int fd;

	if (!map)
		return err_say(e, "'bpfmap-data.img' has nothing of the map %u", m->map_id);
	if (map->fd < 0 && create(map, m, e) < 0)
		return e->code;
	attr.map_id = map->id;
	attr.open_flags = access[m->flags & O_ACCMODE];
	fd = call(BPF_MAP_GET_FD_BY_ID, &attr);
	if (fd < 0)
		return err_sys(e, "open the BPF map");
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret_fd = fd;
	return 0;
}

static void bpfmap_close(struct restore *r)
{
	struct rbpfmaps *all = r->files->bpfmaps;

	for (size_t i = 0; all && i < all->count; i++) {
		protobuf_c_message_free_unpacked(&all->at[i].data->base, NULL);
		free(all->at[i].keys);
		free(all->at[i].values);
		own_close(&all->at[i].fd);
	}
	if (all)
		free(all->at);
	r->files->bpfmaps = NULL;
}

const struct fd_restore_kind bpfmap_fd_restore_kind = {
	.name = "fd/bpfmap",
	.type = FD_TYPES__BPFMAP,
	.load = bpfmap_load,
	.make = bpfmap_make,
	.close = bpfmap_close,
};
