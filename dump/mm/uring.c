/* Mappings of io_uring rings. What is in them is saved with the descriptor (dump/fd/uring.c), which has to be there. */
#include "dump/memory.h"

#include <errno.h>
#include <string.h>

#include "dump/files_table.h"
#include "images/fd/uring.pb-c.h"
#include "images/uring.h"
#include "images/vma.h"

static bool uring_match(const struct task *, const struct vma *v)
{
	return strncmp(v->name, "anon_inode:[io_uring]", 21) == 0;
}

static int uring_classify(struct task *t, struct vma *v, struct err *e)
{
	t->has_rings = true;
	if (v->pgoff != IORING_OFF_SQ_RING && v->pgoff != IORING_OFF_CQ_RING &&
	    v->pgoff != IORING_OFF_SQES)
		return err_code(e, ENOTSUP,
				"it is a ring of buffers of io_uring, which is not supported");
	v->status = VMA_AREA_REGULAR | VMA_EXT_PLUGIN;
	v->shmid = v->inode;
	v->fd_flags = 0;
	return 0;
}

static int uring_entry(struct task *t, const struct vma *v, VmaEntry *, struct err *e)
{
	for (const struct file *f = t->dump->files ? t->dump->files->first : NULL; f; f = f->next)
		if (f->extra && f->extra->uring && f->extra->uring->ino == v->inode)
			return 0;
	return err_code(
		e, ENOTSUP,
		"it is a ring of io_uring whose descriptor is closed, which is not supported");
}

const struct vma_kind uring_vma_kind = {
	.name = "mm/uring",
	.pages = VMA_PAGES_NONE,
	.match = uring_match,
	.classify = uring_classify,
	.entry = uring_entry,
};
