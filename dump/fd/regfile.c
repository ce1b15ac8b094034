/*
 * Files that were opened by path: regular ones, directories, device nodes without state of their own, and
 * whatever was opened by O_PATH. What was done to the path is dump/files_path.c's matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "dump/files.h"

enum { MEM_MAJOR = 1 };

/* null, zero, full, random, urandom; the kernel's log when it is only written. */
static bool is_harmless(const struct file *f)
{
	if (!S_ISCHR(f->st.st_mode) || major(f->st.st_rdev) != MEM_MAJOR)
		return false;
	switch (minor(f->st.st_rdev)) {
	case 3:
	case 5:
	case 7:
	case 8:
	case 9:
		return true;
	case 11:
		return (f->flags & O_ACCMODE) == O_WRONLY;
	default:
		return false;
	}
}

static bool regfile_match(const struct file *f)
{
	if (f->link[0] != '/')
		return false;
	return f->flags & O_PATH || S_ISREG(f->st.st_mode) || S_ISDIR(f->st.st_mode) ||
	       is_harmless(f);
}

static int regfile_dump(struct file *f, FileEntry *entry, struct err *e)
{
	if (files_path_entry(f, f->id, &entry->reg, e) < 0)
		return e->code;
	/* The position of a log that is only written means nothing. */
	if (S_ISCHR(f->st.st_mode) && minor(f->st.st_rdev) == 11)
		entry->reg->pos = UINT64_MAX;
	return 0;
}

const struct fd_kind regfile_fd_kind = {
	.name = "fd/regfile",
	.type = FD_TYPES__REG,
	.match = regfile_match,
	.dump = regfile_dump,
};
