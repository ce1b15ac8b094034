/*
 * Files that are not found by the path of their entry: remap-fpath.img says what stands in. For a file that
 * has lost this name but has others (--link-remap), that is a hard link which the dump makes, under a name of
 * its own and as its last change to anything; the guardian removes it if the dump fails or the tree goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "dump/files_table.h"
#include "dump/guard.h"
#include "dump/mounts.h"
#include "images/image.h"

struct remap {
	RemapFilePathEntry entry;
	const char *link; /* to be made, as we find it; NULL: none */
	const char *from; /* what it is made of, a link of /proc */
	struct remap *next;
};

static struct remap *add(struct files *files, uint32_t id, uint32_t remap_id, RemapType type)
{
	struct remap *r = pool_new(&files->dump->pool, struct remap);

	remap_file_path_entry__init(&r->entry);
	r->entry.orig_id = id;
	r->entry.remap_id = remap_id;
	r->entry.has_remap_type = 1;
	r->entry.remap_type = type;
	r->next = files->remaps;
	files->remaps = r;
	return r;
}

void remap_note(struct files *files, uint32_t id, uint32_t remap_id, RemapType type)
{
	add(files, id, remap_id, type);
}

/*
 * How we find paths of the tree: with mounts of its own, by the root of its first process, which is alive as long as a link may have
 * to be removed again.
 */
static const char *prefix(const struct file *f, struct err *e)
{
	struct dump *d = f->dump;
	char root[4] = "";

	if (!dmounts_find(d, (uint32_t)f->mnt_id))
		return "";
	if (readlinkat(d->tasks[0]->proc_fd, "root", root, sizeof(root)) == 1 && root[0] == '/')
		return pool_format(&d->pool, "/proc/%d/root", d->tasks[0]->pid);
	err_code(e, ENOTSUP,
		 "pid %d has another root directory than its mount namespace, so that no link can "
		 "be made in there",
		 d->tasks[0]->pid);
	return NULL;
}

/* A link is made within one mount, or file system: those of an overlay have the numbers of other devices. */
static bool is_its_directory(const struct file *f, const char *dir)
{
	own_fd fd = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && dmounts_find(f->dump, (uint32_t)f->mnt_id))
		return (int)mounts_id_of(fd) == f->mnt_id;
	return fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == f->st.st_dev;
}

/*
 * A free name in the directory that the file was in or, if that is gone, the nearest one above it on the same
 * file system, where a hard link can be.
 */
static const char *free_name(const struct file *f, const char *before, uint32_t id,
			     const char *path, struct err *e)
{
	char dir[PATH_MAX], *slash;
	const char *name;
	struct stat st;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", before, path) >= sizeof(dir)) {
		err_code(e, ENAMETOOLONG, "'%s' is too long", path);
		return NULL;
	}
	do {
		slash = strrchr(dir + strlen(before), '/');
		if (!slash) {
			err_code(e, ENOTSUP, "'%s' was removed together with all its directories",
				 path);
			return NULL;
		}
		*slash = 0;
	} while (!is_its_directory(f, dir));
	for (unsigned int i = 0;; i++) {
		name = i == 0 ? pool_format(&f->dump->pool, "%s/link_remap.%u", dir, id) :
				pool_format(&f->dump->pool, "%s/link_remap.%u.%u", dir, id, i);
		if (lstat(name, &st) < 0 && errno == ENOENT)
			return name;
		if (i > 1000) {
			err_code(e, EEXIST, "'%s' and a thousand like it exist", name);
			return NULL;
		}
	}
}

int remap_add_link(struct file *f, uint32_t id, const char *path, struct err *e)
{
	struct dump *d = f->dump;
	FileEntry *entry = pool_new(&d->pool, FileEntry);
	RegFileEntry *reg = pool_new(&d->pool, RegFileEntry);
	uint32_t link_id = files_new_id(d);
	const char *before = prefix(f, e), *name;
	struct remap *r;

	name = before ? free_name(f, before, link_id, path, e) : NULL;
	if (!name)
		return e->code;
	file_entry__init(entry);
	entry->id = link_id;
	entry->type = FD_TYPES__REG;
	entry->reg = reg;
	reg_file_entry__init(reg);
	reg->id = link_id;
	reg->fown = d->files->no_owner;
	reg->name = (char *)name + strlen(before);
	reg->has_mnt_id = *before != 0;
	reg->mnt_id = f->mnt_id;
	reg->has_mode = 1;
	reg->mode = f->st.st_mode;
	r = add(d->files, id, link_id, REMAP_TYPE__LINKED);
	r->link = name;
	r->from = pool_format(&d->pool, "/proc/%d/%s", f->task->pid, f->where);
	return files_put(d->files, entry, e);
}

static int make_link(struct dump *d, const struct remap *r, struct err *e)
{
	/* Noted first: a link that is known but not there does no harm. */
	if (guard_note_link(d->guard, r->link, e) < 0)
		return e->code;
	if (linkat(AT_FDCWD, r->from, AT_FDCWD, r->link, AT_SYMLINK_FOLLOW) < 0) {
		err_sys(e, "make the link '%s'", r->link);
		return err_hint(e, "--link-remap needs to write to that directory");
	}
	return 0;
}

static int remap_finish(struct dump *d, struct err *e)
{
	own_image img = {};

	if (!d->files->remaps)
		return 0;
	if (image_create(&img, d->images, IMG_REMAP_FPATH, 0, e) < 0)
		return e->code;
	for (const struct remap *r = d->files->remaps; r; r = r->next) {
		if ((r->link && make_link(d, r, e) < 0) || image_write(&img, &r->entry, e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

const struct fd_kind remap_fd_kind = {
	.name = "fd/remap",
	.finish = remap_finish,
};
