/*
 * SysV shared memory: segments that are attached somewhere in the tree, whether somebody has removed them
 * (IPC_RMID) or not; in an IPC namespace of its own also those that are attached nowhere. In ours they live on without us.
 *
 * The inode of an attached segment is its id. Contents are read through the file behind the mapping, since
 * attaching would change the times and counts that IPC_STAT tells.
 */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "dump/mm/shmem.h"
#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/ipc.pb-c.h"
#include "images/vma.h"
#include "lib/io.h"

struct sysv_segment {
	struct sysv_segment *next;
	struct task *task; /* who has it attached, and where; NULL: nobody in the tree */
	const char *link;
	void *at; /* where we have it attached, if nobody else has */
	int fd;	  /* the file behind that, or -1 */
	uint64_t id, huge_page;
	uint32_t key; /* that it was made with */
	struct shmid_ds state;
};

static bool sysv_match(const struct task *t, const struct vma *v)
{
	uint64_t dev = makedev(v->dev_major, v->dev_minor);

	return strncmp(v->name, "/SYSV", 5) == 0 && v->flags & VMA_SH &&
	       (shmem_is_device(t->dump, dev) || shmem_huge_page(t->dump, dev));
}

static void add_segment(struct task *t, const struct vma *v)
{
	struct dump *d = t->dump;
	struct sysv_segment **list = shmem_segments(d), *s;
	char link[VMA_LINK_SIZE];

	for (s = *list; s; s = s->next)
		if (s->id == v->inode)
			return;
	s = pool_new(&d->pool, struct sysv_segment);
	s->fd = -1;
	s->task = t;
	s->link = pool_text(&d->pool, vma_link(link, v));
	s->id = v->inode;
	s->key = strtoul(v->name + strlen("/SYSV"), NULL, 16);
	s->huge_page = shmem_huge_page(d, makedev(v->dev_major, v->dev_minor));
	s->next = *list;
	*list = s;
	shmem_reserve_id(d, s->id);
}

static int sysv_classify(struct task *t, struct vma *v, struct err *)
{
	add_segment(t, v);
	v->status = VMA_AREA_REGULAR | VMA_ANON_SHARED | VMA_AREA_SYSVIPC;
	v->shmid = v->inode;
	/* Attached with SHM_RDONLY, it can never be made writable. */
	v->fd_flags = v->may & VMA_WR ? O_RDWR : O_RDONLY;
	return 0;
}

/* How long the mapping is, in pages of a kind that nobody tells. */
static int open_behind(struct dump *d, struct sysv_segment *s, struct err *e)
{
	static const uint64_t sizes[] = { PAGE_SIZE, 2UL << 20, 1UL << 30 };
	uint64_t at = (uintptr_t)s->at;
	struct stat st;
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(sizes) && s->fd < 0; i++) {
		uint64_t end = at + ((s->state.shm_segsz + sizes[i] - 1) & ~(sizes[i] - 1));

		snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", at, end);
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(e, "open '%s'", path);
	s->huge_page = shmem_huge_page(d, st.st_dev);
	return 0;
}

/* One of the namespace that nobody in the tree has attached. */
static int add_loose(struct dump *d, int id, const struct shmid_ds *state, struct err *e)
{
	struct sysv_segment **list = shmem_segments(d), *s;

	for (s = *list; s; s = s->next)
		if (s->id == (uint64_t)id)
			return 0;
	s = pool_new(&d->pool, struct sysv_segment);
	s->id = id;
	s->fd = -1;
	s->key = state->shm_perm.__key;
	s->state = *state;
	s->next = *list;
	*list = s;
	shmem_reserve_id(d, s->id);
	s->at = shmat(id, NULL, SHM_RDONLY);
	if (s->at == (void *)-1) {
		s->at = NULL;
		return err_sys(e, "shmat");
	}
	return open_behind(d, s, e);
}

static int find_loose(struct dump *d, struct err *e)
{
	struct shm_info info;
	struct shmid_ds state;
	int last = shmctl(0, SHM_INFO, (void *)&info);

	for (int i = 0; i <= last; i++) {
		int id = shmctl(i, SHM_STAT_ANY, &state);

		if (id >= 0 && add_loose(d, id, &state, e) < 0)
			return err_on(e, "SysV segment %d", id);
	}
	return last < 0 ? err_sys(e, "shmctl(SHM_INFO)") : 0;
}

/* Inside of the IPC namespace of the tree. */
static int look(void *dump, struct err *e)
{
	struct dump *d = dump;

	for (struct sysv_segment *s = *shmem_segments(d); s; s = s->next)
		if (shmctl(s->id, IPC_STAT, &s->state) < 0)
			return err_sys(e, "SysV segment %lu: shmctl(IPC_STAT)", s->id);
	return ns_is_own(d, NS_IPC) ? find_loose(d, e) : 0;
}

static int save_contents(struct dump *d, struct sysv_segment *s, struct err *e)
{
	struct shmem_contents c = { .shmid = s->id, .huge_page = s->huge_page };
	struct stat st;

	if (s->task)
		s->fd = openat(s->task->proc_fd, s->link, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(e, "open '%s'", s->link ? s->link : "what is behind it");
	c.fd = s->fd;
	c.size = st.st_size;
	if (shmem_save(d, &c, e) < 0)
		return e->code;
	own_close(&s->fd);
	s->fd = -1;
	return 0;
}

static int save_segment(struct dump *d, struct sysv_segment *s, struct image *img, struct err *e)
{
	IpcShmEntry m = IPC_SHM_ENTRY__INIT;
	IpcDescEntry desc = IPC_DESC_ENTRY__INIT;
	const struct ipc_perm *perm = &s->state.shm_perm;

	/* A removed segment cannot be found by its key any more, but its mappings are still called so. */
	desc.key = perm->mode & SHM_DEST ? (int)s->key : perm->__key;
	desc.uid = perm->uid;
	desc.gid = perm->gid;
	desc.cuid = perm->cuid;
	desc.cgid = perm->cgid;
	desc.mode = perm->mode;
	desc.id = s->id;
	m.desc = &desc;
	m.size = s->state.shm_segsz;
	m.has_in_pagemaps = m.in_pagemaps = true;
	m.has_hugetlb_flag = s->huge_page != 0;
	if (s->huge_page)
		m.hugetlb_flag = SHM_HUGETLB | (uint32_t)__builtin_ctzl(s->huge_page) << 26;
	if (image_write(img, &m, e) < 0)
		return e->code;
	return save_contents(d, s, e);
}

static int save_all(struct dump *d, struct err *e)
{
	own_image img = {};

	if (image_create(&img, d->images, IMG_IPC_SHM, d->tasks[0]->ids->ipc_ns_id, e) < 0)
		return e->code;
	for (struct sysv_segment *s = *shmem_segments(d); s; s = s->next)
		if (save_segment(d, s, &img, e) < 0)
			return s->task ? err_on(e, "SysV segment %lu of pid %d", s->id,
						s->task->pid) :
					 err_on(e, "SysV segment %lu", s->id);
	return image_close(&img, e);
}

/* A stream reads what is behind later on, by descriptors of its own. */
static void let_go(struct dump *d)
{
	for (struct sysv_segment *s = *shmem_segments(d); s; s = s->next) {
		own_close(&s->fd);
		s->fd = -1;
		if (s->at)
			shmdt(s->at);
		s->at = NULL;
	}
}

static int sysv_finish(struct dump *d, struct err *e)
{
	int r;

	if (!*shmem_segments(d) && !ns_is_own(d, NS_IPC))
		return 0;
	r = ns_run(d, NS_IPC, look, d, e);
	if (r == 0 && *shmem_segments(d))
		r = save_all(d, e);
	let_go(d);
	return r;
}

const struct vma_kind sysv_vma_kind = {
	.name = "mm/sysv",
	.pages = VMA_PAGES_NONE,
	.match = sysv_match,
	.classify = sysv_classify,
	.finish = sysv_finish,
};
