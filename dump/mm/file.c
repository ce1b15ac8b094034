/*
 * Mapped files, private and shared. The file itself is found, named and checked by dump/files.c; here it is
 * only decided what may be mapped: regular files, and /dev/zero privately, which is anonymous memory with a name.
 */
#include "dump/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "dump/files.h"
#include "dump/mm/shmem.h"
#include "images/vma.h"

static bool file_match(const struct task *, const struct vma *v)
{
	return *v->name == '/' && (v->inode || v->dev_major || v->dev_minor);
}

/* Neighbours are mostly of the same file; the kernel tells its inode, device and path without being asked. */
static const struct vma *same_before(const struct task *t, const struct vma *v)
{
	const struct vma *before = v - 1;

	if (v == t->vmas || !(before->status & (VMA_FILE_PRIVATE | VMA_FILE_SHARED)))
		return NULL;
	if (before->status & VMA_AREA_MEMFD || before->inode != v->inode ||
	    before->dev_major != v->dev_major || before->dev_minor != v->dev_minor ||
	    strcmp(before->name, v->name) != 0)
		return NULL;
	return before;
}

static int check_type(struct task *t, const struct vma *v, const char *link, struct err *e)
{
	struct stat st;

	if (fstatat(t->proc_fd, link, &st, 0) < 0)
		return err_sys(e, "stat '%s'", link);
	if (S_ISREG(st.st_mode))
		return 0;
	if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 5) && !(v->flags & VMA_SH))
		return 0;
	err_code(e, ENOTSUP, "it is memory of a device ('%s')", v->name);
	return err_hint(e, "let the program close the device before the dump");
}

static int file_classify(struct task *t, struct vma *v, struct err *e)
{
	const struct vma *before = same_before(t, v);
	bool shared = v->flags & VMA_SH;
	char link[VMA_LINK_SIZE];
	uint32_t id;

	vma_link(link, v);
	if (before) {
		v->shmid = before->shmid;
	} else {
		if (check_type(t, v, link, e) < 0 || files_add_link(t, link, &id, e) < 0)
			return e->code;
		v->shmid = id;
	}
	v->status = VMA_AREA_REGULAR | (shared ? VMA_FILE_SHARED : VMA_FILE_PRIVATE);
	/* A shared mapping may become writable only if the file was opened for that; a private one always. */
	v->fd_flags = shared && v->may & VMA_WR ? O_RDWR : O_RDONLY;
	return 0;
}

static bool file_shared_match(const struct task *t, const struct vma *v)
{
	return v->flags & VMA_SH && file_match(t, v);
}

const struct vma_kind file_shared_vma_kind = {
	.name = "mm/file",
	.pages = VMA_PAGES_NONE,
	.match = file_shared_match,
	.classify = file_classify,
};

/* Pages that were written since lie over those of the file. */
const struct vma_kind file_vma_kind = {
	.name = "mm/file",
	.pages = VMA_PAGES_ANON,
	.match = file_match,
	.classify = file_classify,
};
