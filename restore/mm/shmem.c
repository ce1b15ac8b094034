/*
 * Memory shared among processes that has no path: memfds, and MAP_SHARED | MAP_ANONYMOUS memory, which images
 * have as a memfd named '/dev/zero' (older ones: as mappings with the number of an object).
 *
 * Anonymous memory is made by mapping it here, and opened through /proc/self/map_files: so its users see in their
 * smaps what they saw, and no memfd. Seals come when all mappings are made, since some of them forbid those.
 */
#include "restore/mm/shmem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "images/fd/memfd.pb-c.h"
#include "images/image.h"
#include "images/vma.h"
#include "lib/io.h"
#include "restore/files.h"
#include "restore/memory.h"
#include "restore/mm/map.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* The size of pages, of MAP_HUGETLB and MFD_HUGETLB alike. */
#define HUGE_SIZE_BITS (0x3fU << 26)

struct object {
	MemfdInodeEntry *inode;
	bool old;	/* known by mappings only (VMA_ANON_SHARED): owner and mode are not known */
	bool noreserve; /* a mapping says so: the whole of it may be more than there is memory */
	uint64_t ino;	/* 0: it is not made here */
	int fd;		/* opened O_RDWR; -1: not made yet */
	int read_only;	/* opened O_RDONLY; -1: not opened yet */
};

struct rshmem {
	struct object *objects;
	size_t count;
};

static struct object *find_inode(struct rshmem *s, uint64_t inode_id)
{
	/* They are numbered from 1 in the order of the file. */
	if (inode_id && inode_id <= s->count &&
	    s->objects[inode_id - 1].inode->inode_id == inode_id)
		return &s->objects[inode_id - 1];
	for (size_t i = 0; i < s->count; i++)
		if (!s->objects[i].old && s->objects[i].inode->inode_id == inode_id)
			return &s->objects[i];
	return NULL;
}

static struct object *find_old(struct rshmem *s, uint64_t shmid)
{
	for (size_t i = s->count; i-- > 0 && s->objects[i].old;)
		if (s->objects[i].inode->shmid == shmid)
			return &s->objects[i];
	return NULL;
}

static int add_object(struct rshmem *s, MemfdInodeEntry *m, bool old, struct err *e)
{
	if (io_grow(&s->objects, s->count, sizeof(*s->objects), e) < 0) {
		image_message_free(&m);
		return e->code;
	}
	s->objects[s->count++] = (struct object){ m, old, false, 0, -1, -1 };
	return 0;
}

static int load_inodes(struct restore *r, struct rshmem *s, struct err *e)
{
	own_image img = {};
	struct err none = {};
	int got = image_open(&img, r->images, IMG_MEMFD, 0, &none);

	if (got == -ENOENT)
		return 0;
	if (got < 0) {
		*e = none;
		return got;
	}
	for (;;) {
		MemfdInodeEntry *m = NULL;

		got = image_read(&img, &memfd_inode_entry__descriptor, &m, e);
		if (got <= 0)
			return got;
		if (m->size > INT64_MAX - PAGE_SIZE ||
		    (m->hugetlb_flag & ~(MFD_HUGETLB | HUGE_SIZE_BITS))) {
			err_say(e, "'memfd.img' has an impossible inode '%s'", m->name);
			image_message_free(&m);
			return e->code;
		}
		if (add_object(s, m, false, e) < 0)
			return e->code;
	}
}

/* A mapping that names no inode, but the object by its number: it is as long as the mappings of it reach. */
static int note_old(struct rshmem *s, const VmaEntry *v, struct err *e)
{
	struct object *o = find_old(s, v->shmid);
	uint64_t end = v->pgoff + (v->end - v->start);
	MemfdInodeEntry *m;

	if (!o) {
		m = calloc(1, sizeof(*m));
		if (!m)
			return err_sys(e, "memory for a shared object");
		memfd_inode_entry__init(m);
		m->name = strdup("/dev/zero");
		m->shmid = v->shmid;
		m->seals = F_SEAL_SEAL;
		m->has_hugetlb_flag = v->flags & MAP_HUGETLB;
		m->hugetlb_flag = m->has_hugetlb_flag ? MFD_HUGETLB | (v->flags & HUGE_SIZE_BITS) :
							0;
		if (add_object(s, m, true, e) < 0)
			return e->code;
		o = &s->objects[s->count - 1];
	}
	o->inode->size = end > o->inode->size ? end : o->inode->size;
	o->noreserve |= (v->flags & MAP_NORESERVE) != 0;
	return 0;
}

static bool is_old(const VmaEntry *v)
{
	return v->status & VMA_ANON_SHARED && !(v->status & VMA_AREA_SYSVIPC);
}

static int object_of(struct restore *r, struct rshmem *s, const VmaEntry *v, struct object **ret,
		     struct err *e)
{
	const FileEntry *f;

	if (is_old(v)) {
		*ret = find_old(s, v->shmid);
	} else {
		f = rfiles_entry(r, v->shmid);
		if (!f || !f->memfd)
			return err_say(e, "its file %lu is no memfd in 'files.img'", v->shmid);
		*ret = find_inode(s, f->memfd->inode_id);
	}
	return *ret ? 0 : err_say(e, "its object is not in 'memfd.img'");
}

static int note_mapping(struct restore *r, struct rshmem *s, const VmaEntry *v, struct err *e)
{
	struct object *o;

	if (is_old(v))
		return note_old(s, v, e);
	if (!(v->status & VMA_AREA_MEMFD) || !(v->flags & MAP_NORESERVE))
		return 0;
	if (object_of(r, s, v, &o, e) < 0)
		return err_on(e, "mapping %lx-%lx", v->start, v->end);
	o->noreserve = true;
	return 0;
}

/* Loads what there is, the first time. */
static int get(struct restore *r, struct rshmem **ret, struct err *e)
{
	if (!r->shmem) {
		r->shmem = pool_new(&r->pool, struct rshmem);
		if (load_inodes(r, r->shmem, e) < 0)
			return e->code;
		for (size_t i = 0; i < r->task_count; i++) {
			const MmEntry *mm = r->tasks[i]->mm;

			for (size_t k = 0; mm && k < mm->n_vmas; k++)
				if (note_mapping(r, r->shmem, mm->vmas[k], e) < 0)
					return err_on(e, "pid %d", r->tasks[i]->pid);
		}
	}
	*ret = r->shmem;
	return 0;
}

static bool is_anonymous(const MemfdInodeEntry *m)
{
	return m->seals == F_SEAL_SEAL &&
	       (strcmp(m->name, "/dev/zero") == 0 || strcmp(m->name, "/anon_hugepage") == 0);
}

static int make_anonymous(const struct object *o, int *ret_fd, struct err *e)
{
	const MemfdInodeEntry *m = o->inode;
	int flags = MAP_SHARED | MAP_ANONYMOUS | (o->noreserve ? MAP_NORESERVE : 0);
	uint64_t size = (m->size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	void *at;
	int r;

	if (m->hugetlb_flag)
		flags |= MAP_HUGETLB | (int)(m->hugetlb_flag & HUGE_SIZE_BITS);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (at == MAP_FAILED)
		return err_sys(e, "map %lu bytes of shared memory", size);
	r = rshmem_open_mapping(at, size, ret_fd, e);
	munmap(at, size);
	return r;
}

static int make_memfd(const MemfdInodeEntry *m, int *ret_fd, struct err *e)
{
	unsigned int flags = MFD_CLOEXEC | m->hugetlb_flag;
	own_fd fd = -1;

	if (m->seals != F_SEAL_SEAL)
		flags |= MFD_ALLOW_SEALING;
	/* Kernels since 6.3 want to be told whether it may be executed; its mode is set anyway. */
	fd = memfd_create(m->name, flags | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(m->name, flags);
	if (fd < 0)
		return err_sys(e, "memfd_create");
	if (ftruncate(fd, m->size) < 0)
		return err_sys(e, "make it %lu bytes long", m->size);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Owner and mode, where they are not yet what they have to be. */
static int set_owner(const MemfdInodeEntry *m, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat");
	if ((st.st_uid != m->uid || st.st_gid != m->gid) && fchown(fd, m->uid, m->gid) < 0)
		return err_sys(e, "give it to user %u, group %u", m->uid, m->gid);
	if (m->has_mode && (st.st_mode & 07777) != (m->mode & 07777) &&
	    fchmod(fd, m->mode & 07777) < 0)
		return err_sys(e, "set its mode to %o", m->mode & 07777);
	return 0;
}

static int make_object(struct restore *r, struct object *o, struct err *e)
{
	const MemfdInodeEntry *m = o->inode;
	char *key = pool_format(&r->pool, "/memfd:%s", m->name);
	int inherited = options_inherited(r->opt, key);
	struct stat st;
	own_fd fd = -1;

	if (inherited >= 0) {
		fd = fcntl(inherited, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return err_sys(e, "take over descriptor %d", inherited);
	} else if ((is_anonymous(m) ? make_anonymous(o, &fd, e) : make_memfd(m, &fd, e)) < 0) {
		return e->code;
	}
	if (inherited < 0) {
		struct shmem_target to = { fd, m->shmid, m->size, m->hugetlb_flag != 0 };

		if (m->size && !r->opt->dry_run && rshmem_fill(r, &to, e) < 0)
			return e->code;
		if (!o->old && set_owner(m, fd, e) < 0)
			return e->code;
		if (!m->hugetlb_flag && fstat(fd, &st) == 0)
			o->ino = st.st_ino;
	}
	o->fd = take_fd(&fd);
	return 0;
}

static int object_open(struct restore *r, struct object *o, int access, int *ret_fd, struct err *e)
{
	char path[64];

	if (o->fd < 0 && make_object(r, o, e) < 0)
		return err_on(e, "shared memory '%s'", o->inode->name);
	if (access == O_RDONLY && o->read_only < 0) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
		o->read_only = open(path, O_RDONLY | O_CLOEXEC);
		if (o->read_only < 0)
			return err_sys(e, "open '%s'", path);
	}
	*ret_fd = access == O_RDONLY ? o->read_only : o->fd;
	return 0;
}

int rshmem_open(struct restore *r, uint32_t inode_id, int access, int *ret_fd, struct err *e)
{
	struct rshmem *s;
	struct object *o;

	if (get(r, &s, e) < 0)
		return e->code;
	o = find_inode(s, inode_id);
	if (!o)
		return err_say(e, "inode %u is not in 'memfd.img'", inode_id);
	return object_open(r, o, access, ret_fd, e);
}

bool rshmem_next(const struct restore *r, size_t number, uint64_t *ret_inode, uint64_t *ret_shmid)
{
	if (!r->shmem || number >= r->shmem->count)
		return false;
	*ret_inode = r->shmem->objects[number].ino;
	*ret_shmid = r->shmem->objects[number].inode->shmid;
	return true;
}

static int shmem_prepare(struct restore *r, struct err *e)
{
	struct rshmem *s;
	int fd;

	if (get(r, &s, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++)
		if (object_open(r, &s->objects[i], O_RDWR, &fd, e) < 0)
			return e->code;
	return 0;
}

static bool shmem_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_MEMFD || is_old(v);
}

static int shmem_map(struct rtask *t, const VmaEntry *v, bool fill, struct plan *p, struct err *e)
{
	/* A private mapping and one that may never be written need no more than reading. */
	int access = v->flags & MAP_SHARED && (!v->has_fdflags || v->fdflags & O_ACCMODE) ?
			     O_RDWR :
			     O_RDONLY;
	VmaEntry file_backed = *v;
	struct rshmem *s;
	struct object *o;
	int fd;

	if (get(t->restore, &s, e) < 0 || object_of(t->restore, s, v, &o, e) < 0 ||
	    object_open(t->restore, o, access, &fd, e) < 0)
		return e->code;
	file_backed.flags &= ~(uint32_t)MAP_ANONYMOUS;
	map_entry(&file_backed, fill, memory_fetch(t, fd, p), "shared memory", p);
	return 0;
}

/* Everything is mapped everywhere. */
static int shmem_done(struct restore *r, struct err *e)
{
	struct rshmem *s;

	if (get(r, &s, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++) {
		const struct object *o = &s->objects[i];

		/* An object that was made without seals can have none but this one. */
		if (o->fd < 0 || o->inode->seals == 0 || o->inode->seals == F_SEAL_SEAL)
			continue;
		if (fcntl(o->fd, F_ADD_SEALS, o->inode->seals) < 0)
			return err_sys(e, "seal '%s' (%#x)", o->inode->name, o->inode->seals);
	}
	return 0;
}

static void shmem_close(struct restore *r, bool)
{
	struct rshmem *s = r->shmem;

	for (size_t i = 0; s && i < s->count; i++) {
		own_close(&s->objects[i].fd);
		own_close(&s->objects[i].read_only);
		image_message_free(&s->objects[i].inode);
	}
	if (s)
		free(s->objects);
	r->shmem = NULL;
}

static bool memfd_private_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_MEMFD && v->status & VMA_FILE_PRIVATE;
}

const struct vma_restore_kind memfd_private_restore_kind = {
	.name = "mm/memfd",
	.match = memfd_private_match,
	.map = shmem_map,
	.inherits = true,
};

const struct vma_restore_kind shmem_restore_kind = {
	.name = "mm/shmem",
	.match = shmem_match,
	.prepare = shmem_prepare,
	.map = shmem_map,
	.done = shmem_done,
	.close = shmem_close,
};
