/*
 * SysV shared memory: segments that are attached somewhere in the tree, whether somebody has removed them
 * (IPC_RMID) or not. Segments that are attached nowhere, semaphores and queues belong to the IPC namespace,
 * which is not dumped here: they live on without us.
 *
 * The inode of an attached segment is its id. Contents are read through the file behind the mapping, since
 * attaching would change the times and counts that IPC_STAT tells.
 */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "dump/mm/shmem.h"
#include "images/image.h"
#include "images/ns/ipc.pb-c.h"
#include "images/vma.h"

struct sysv_segment {
	struct sysv_segment *next;
	struct task *task; /* who has it attached, and where */
	const char *link;
	uint64_t id, huge_page;
	uint32_t key; /* that it was made with */
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

static int save_contents(struct dump *d, const struct sysv_segment *s, struct err *e)
{
	own_fd fd = openat(s->task->proc_fd, s->link, O_RDONLY | O_CLOEXEC);
	struct shmem_contents c = { .fd = fd, .shmid = s->id, .huge_page = s->huge_page };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open '%s'", s->link);
	c.size = st.st_size;
	return shmem_save(d, &c, e);
}

static int save_segment(struct dump *d, const struct sysv_segment *s, struct image *img,
			struct err *e)
{
	IpcShmEntry m = IPC_SHM_ENTRY__INIT;
	IpcDescEntry desc = IPC_DESC_ENTRY__INIT;
	struct shmid_ds ds;

	if (shmctl(s->id, IPC_STAT, &ds) < 0)
		return err_sys(e, "shmctl(IPC_STAT)");
	/* A removed segment cannot be found by its key any more, but its mappings are still called so. */
	desc.key = ds.shm_perm.mode & SHM_DEST ? (int)s->key : ds.shm_perm.__key;
	desc.uid = ds.shm_perm.uid;
	desc.gid = ds.shm_perm.gid;
	desc.cuid = ds.shm_perm.cuid;
	desc.cgid = ds.shm_perm.cgid;
	desc.mode = ds.shm_perm.mode;
	desc.id = s->id;
	m.desc = &desc;
	m.size = ds.shm_segsz;
	m.has_in_pagemaps = m.in_pagemaps = true;
	m.has_hugetlb_flag = s->huge_page != 0;
	if (s->huge_page)
		m.hugetlb_flag = SHM_HUGETLB | (uint32_t)__builtin_ctzl(s->huge_page) << 26;
	if (image_write(img, &m, e) < 0)
		return e->code;
	return save_contents(d, s, e);
}

static int sysv_finish(struct dump *d, struct err *e)
{
	const struct sysv_segment *s = *shmem_segments(d);
	own_image img = {};

	if (!s)
		return 0;
	if (image_create(&img, d->images, IMG_IPC_SHM, s->task->ids->ipc_ns_id, e) < 0)
		return e->code;
	for (; s; s = s->next)
		if (save_segment(d, s, &img, e) < 0)
			return err_on(e, "SysV segment %lu of pid %d", s->id, s->task->pid);
	return image_close(&img, e);
}

const struct vma_kind sysv_vma_kind = {
	.name = "mm/sysv",
	.pages = VMA_PAGES_NONE,
	.match = sysv_match,
	.classify = sysv_classify,
	.finish = sysv_finish,
};
