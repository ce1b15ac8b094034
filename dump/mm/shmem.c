/*
 * Memory shared among processes that has no path: memfds, and what MAP_SHARED | MAP_ANONYMOUS gives. The
 * kernel keeps both as files of mounts of its own (a tmpfs, and one hugetlbfs for each size of pages), so both
 * are one thing here, as CRIU has it: an inode in memfd.img, and a MEMFD file entry for mappings.
 *
 * Inodes are reached through /proc/PID/map_files and /proc/PID/fd. Who else has them outside of the tree is
 * not looked for: after a restore the tree has objects of its own.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "dump/files.h"
#include "dump/memory.h"
#include "dump/mm/shmem_held.h"
#include "images/image.h"
#include "images/vma.h"
#include "lib/io.h"

enum { BUCKETS = 4096, HUGE_SIZES = 8 };

struct shmem_object {
	struct shmem_object *next; /* in its bucket */
	uint64_t dev, ino;
	struct task *task; /* who has it, and how to reach it there */
	const char *link;
	uint32_t file_id; /* of mappings; 0: none yet */
	MemfdInodeEntry entry;
};

struct shmem {
	uint64_t dev; /* of the kernel's tmpfs */
	struct {
		uint64_t dev, page_size;
	} huge[HUGE_SIZES];
	size_t huge_count;
	struct shmem_object *buckets[BUCKETS];
	struct shmem_object **objects; /* in the order of their inode_ids */
	size_t count;
	struct sysv_segment *segments;
	uint64_t *reserved; /* their ids */
	size_t reserved_count;
};

const char *vma_link(char buf[VMA_LINK_SIZE], const struct vma *v)
{
	snprintf(buf, VMA_LINK_SIZE, "map_files/%lx-%lx", v->start, v->end);
	return buf;
}

/* What a fresh memfd lies on; 0 if there can be none. */
static uint64_t device_of(unsigned int flags)
{
	own_fd fd = memfd_create("probe", flags | MFD_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
}

static void find_huge_devices(struct shmem *s)
{
	own_dir dir = opendir("/sys/kernel/mm/hugepages");
	struct dirent *d;

	while (dir && (d = readdir(dir)) && s->huge_count < HUGE_SIZES) {
		unsigned long kb;
		uint64_t dev;

		if (sscanf(d->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		dev = device_of(MFD_HUGETLB | (unsigned int)__builtin_ctzl(kb * 1024) << 26);
		if (!dev)
			continue;
		s->huge[s->huge_count].dev = dev;
		s->huge[s->huge_count++].page_size = kb * 1024;
	}
}

static struct shmem *shmem_of(struct dump *d)
{
	if (!d->shmem) {
		d->shmem = pool_new(&d->pool, struct shmem);
		d->shmem->dev = device_of(0);
		find_huge_devices(d->shmem);
	}
	return d->shmem;
}

bool shmem_is_device(struct dump *d, uint64_t dev)
{
	return dev && dev == shmem_of(d)->dev;
}

uint64_t shmem_huge_page(struct dump *d, uint64_t dev)
{
	struct shmem *s = shmem_of(d);

	for (size_t i = 0; i < s->huge_count; i++)
		if (s->huge[i].dev == dev)
			return s->huge[i].page_size;
	return 0;
}

struct sysv_segment **shmem_segments(struct dump *d)
{
	return &shmem_of(d)->segments;
}

/* Doubles an array that lives in the pool. */
static void *pool_grow(struct dump *d, void *array, size_t count, size_t size)
{
	void *more;

	if (count & (count - 1) || count == 1)
		return array;
	more = pool_alloc(&d->pool, (count ? count * 2 : 2) * size);
	return count ? memcpy(more, array, count * size) : more;
}

void shmem_reserve_id(struct dump *d, uint64_t shmid)
{
	struct shmem *s = shmem_of(d);

	s->reserved = pool_grow(d, s->reserved, s->reserved_count, sizeof(*s->reserved));
	s->reserved[s->reserved_count++] = shmid;
}

/* The name that memfd_create was given, or which stands for anonymous memory. */
static int object_name(struct task *t, const char *link, char **ret, struct err *e)
{
	static const char deleted[] = " (deleted)", memfd[] = "/memfd:";
	char text[PATH_MAX];
	ssize_t n = readlinkat(t->proc_fd, link, text, sizeof(text) - 1);
	char *end;

	if (n < 0)
		return err_sys(e, "read the link '%s'", link);
	text[n] = 0;
	end = text + n - (sizeof(deleted) - 1);
	if (end > text && strcmp(end, deleted) == 0)
		*end = 0;
	if (strncmp(text, memfd, sizeof(memfd) - 1) == 0)
		*ret = pool_text(&t->dump->pool, text + sizeof(memfd) - 1);
	else if (strcmp(text, "/dev/zero") == 0 || strcmp(text, "/anon_hugepage") == 0)
		*ret = pool_text(&t->dump->pool, text);
	else
		return err_code(e, ENOTSUP, "it is shared memory made by a driver ('%s')", text);
	return 0;
}

static int add_object(struct task *t, const char *link, const struct stat *st,
		      struct shmem_object **bucket, struct err *e)
{
	struct dump *d = t->dump;
	struct shmem *s = shmem_of(d);
	struct shmem_object *o = pool_new(&d->pool, struct shmem_object);
	uint64_t huge = shmem_huge_page(d, st->st_dev);

	memfd_inode_entry__init(&o->entry);
	if (object_name(t, link, &o->entry.name, e) < 0)
		return e->code;
	o->dev = st->st_dev;
	o->ino = st->st_ino;
	o->task = t;
	o->link = pool_text(&d->pool, link);
	o->entry.uid = st->st_uid;
	o->entry.gid = st->st_gid;
	o->entry.has_mode = true;
	o->entry.mode = st->st_mode;
	o->entry.size = st->st_size;
	o->entry.has_hugetlb_flag = huge != 0;
	if (huge)
		o->entry.hugetlb_flag = MFD_HUGETLB | (uint32_t)__builtin_ctzl(huge) << 26;
	s->objects = pool_grow(d, s->objects, s->count, sizeof(*s->objects));
	s->objects[s->count++] = o;
	o->entry.inode_id = s->count;
	o->next = *bucket;
	*bucket = o;
	return 0;
}

static int find_or_add(struct task *t, const char *link, struct shmem_object **ret, struct err *e)
{
	struct shmem *s = shmem_of(t->dump);
	struct shmem_object **bucket;
	struct stat st;

	if (fstatat(t->proc_fd, link, &st, 0) < 0)
		return err_sys(e, "stat '%s'", link);
	bucket = &s->buckets[(st.st_ino * 31 + st.st_dev) % BUCKETS];
	for (struct shmem_object *o = *bucket; o; o = o->next)
		if (o->dev == st.st_dev && o->ino == st.st_ino) {
			*ret = o;
			return 0;
		}
	if (add_object(t, link, &st, bucket, e) < 0)
		return e->code;
	*ret = *bucket;
	return 0;
}

int shmem_register(struct task *t, const char *link, uint32_t *ret_inode_id, struct err *e)
{
	struct shmem_object *o;

	if (find_or_add(t, link, &o, e) < 0)
		return e->code;
	*ret_inode_id = o->entry.inode_id;
	return 0;
}

static bool shmem_match(const struct task *t, const struct vma *v)
{
	uint64_t dev = makedev(v->dev_major, v->dev_minor);

	return v->dev_major == 0 && (shmem_is_device(t->dump, dev) ||
				     (v->flags & VMA_HT && shmem_huge_page(t->dump, dev)));
}

/* All mappings of an inode share a file entry; the access mode of each is in its own fdflags. */
static uint32_t mapping_file(struct dump *d, struct shmem_object *o)
{
	FileEntry *f;

	if (o->file_id)
		return o->file_id;
	f = pool_new(&d->pool, FileEntry);
	file_entry__init(f);
	f->type = FD_TYPES__MEMFD;
	f->memfd = pool_new(&d->pool, MemfdFileEntry);
	memfd_file_entry__init(f->memfd);
	f->memfd->inode_id = o->entry.inode_id;
	f->memfd->fown = pool_new(&d->pool, FownEntry);
	fown_entry__init(f->memfd->fown);
	o->file_id = files_add_entry(d, f);
	f->id = f->memfd->id = o->file_id;
	return o->file_id;
}

static int shmem_classify(struct task *t, struct vma *v, struct err *e)
{
	bool shared = v->flags & VMA_SH;
	char link[VMA_LINK_SIZE];
	struct shmem_object *o;

	if (find_or_add(t, vma_link(link, v), &o, e) < 0)
		return e->code;
	v->status = VMA_AREA_REGULAR | VMA_AREA_MEMFD |
		    (shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE);
	v->shmid = mapping_file(t->dump, o);
	/* Not what the link says: a write-sealed object gives a mapping that can never be made writable. */
	v->fd_flags = shared && v->may & VMA_WR ? O_RDWR : O_RDONLY;
	return 0;
}

static bool id_is_taken(const struct shmem *s, uint64_t id)
{
	for (size_t i = 0; i < s->reserved_count; i++)
		if (s->reserved[i] == id)
			return true;
	return false;
}

/* What it was called before, or the inode number, unless the file name that follows from it belongs to another object. */
static uint32_t choose_shmid(struct dump *d, const struct shmem_object *o, uint32_t *other)
{
	uint64_t want = shmem_held_id(d, o->ino);
	struct shmem *s = shmem_of(d);

	if (o->dev == s->dev && want && want < *other && !id_is_taken(s, want))
		return want;
	while (id_is_taken(s, *other) || shmem_held_is_owned(d, *other))
		--*other;
	return (*other)--;
}

static int save_object(struct dump *d, struct shmem_object *o, struct err *e)
{
	own_fd fd = openat(o->task->proc_fd, o->link, O_RDONLY | O_CLOEXEC);
	struct shmem_contents c = { .fd = fd,
				    .shmid = o->entry.shmid,
				    .size = o->entry.size,
				    .huge_page = shmem_huge_page(d, o->dev) };
	int seals;

	if (fd < 0)
		return err_sys(e, "open '%s'", o->link);
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return err_sys(e, "seals");
	o->entry.seals = seals;
	return c.size ? shmem_save(d, &c, e) : 0;
}

static int shmem_finish(struct dump *d, struct err *e)
{
	struct shmem *s = shmem_of(d);
	uint32_t other = UINT32_MAX;
	own_image img = {};

	if (s->count && image_create(&img, d->images, IMG_MEMFD, 0, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++) {
		struct shmem_object *o = s->objects[i];

		o->entry.shmid = choose_shmid(d, o, &other);
		if (save_object(d, o, e) < 0)
			return err_on(e, "'%s', shared memory of pid %d", o->entry.name,
				      o->task->pid);
		if (image_write(&img, &o->entry, e) < 0)
			return e->code;
	}
	return s->count ? image_close(&img, e) : 0;
}

static bool shmem_private_match(const struct task *t, const struct vma *v)
{
	return !(v->flags & VMA_SH) && shmem_match(t, v);
}

/* A private mapping of a memfd: pages of the object, but for those that were written. */
const struct vma_kind memfd_private_vma_kind = {
	.name = "mm/memfd",
	.pages = VMA_PAGES_ANON,
	.match = shmem_private_match,
	.classify = shmem_classify,
};

const struct vma_kind shmem_vma_kind = {
	.name = "mm/shmem",
	.pages = VMA_PAGES_NONE,
	.match = shmem_match,
	.classify = shmem_classify,
	.finish = shmem_finish,
};
