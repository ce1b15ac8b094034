/* See watch.h. The path comes first, as it does with files; the handle is for what had no path that anybody knew. */
#include "restore/mounts.h"
#include "restore/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/handles.h"
#include "lib/io.h"
#include "restore/files_table.h"

void rwatch_close(struct restore *r)
{
	handles_end(r->files->handles);
	r->files->handles = NULL;
}

static int open_file(struct restore *r, uint32_t id, int *ret_fd, struct err *e)
{
	const struct rfile *f = rfiles_find(r, id);
	int ours = f ? f->fd : -1, fd;

	if (!f)
		return err_say(e, "it watches file %u, which is not in 'files.img'", id);
	if (ours < 0 && rfiles_open(r, id, O_PATH, &ours, e) < 0)
		return e->code;
	fd = fcntl(ours, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, "copy a descriptor of file %u", id);
	*ret_fd = fd;
	return 0;
}

/* A handle of old may lead to what has come into the place of the inode. */
static bool by_handle(struct restore *r, const struct watch_place *w, int *ret_fd, struct err *e)
{
	struct handle h = { .dev = w->dev,
			    .type = w->handle->type,
			    .size = w->handle->bytes,
			    .bytes = w->handle->handle };
	struct handles **handles = &r->files->handles;
	struct stat st;
	size_t at = 0;

	if (h.size > w->handle->n_handle * sizeof(uint64_t))
		return false;
	if (!*handles && handles_begin(handles, e) < 0)
		return false;
	if (handles_open(*handles, &h, &at, ret_fd) < 0)
		return false;
	if (fstat(*ret_fd, &st) == 0 && st.st_ino == w->ino)
		return true;
	close(*ret_fd);
	return false;
}

int rwatch_open(struct restore *r, const struct watch_place *w, int *ret_fd, struct err *e)
{
	const FileExtraEntry *x = rfiles_extra(r, w->id);
	const char *path = w->handle ? w->handle->path : NULL;
	int fd = -ENOENT;

	for (size_t i = 0; x && i < x->n_by_file; i++)
		if (x->by_file[i]->wd == w->number)
			return open_file(r, x->by_file[i]->file, ret_fd, e);
	if (path && w->handle->has_mnt_id && rmounts_find(r, (int32_t)w->handle->mnt_id))
		fd = rmounts_open(r, rmounts_find(r, (int32_t)w->handle->mnt_id), path);
	else if (path)
		fd = rfiles_path_open(r, path, O_PATH | O_NOFOLLOW);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	if (w->handle && by_handle(r, w, ret_fd, e))
		return 0;
	if (e->code)
		return e->code;
	if (path) {
		err_res(e, fd, "its watch %u: open '%s'", w->number, path);
		return err_hint(e, "bring back what it watches");
	}
	err_say(e,
		"its watch %u is of a file whose path was not known (inode %lu on device %u:%u), "
		"which is gone",
		w->number, w->ino, w->dev >> 20, w->dev & 0xfffff);
	return err_hint(e, "dump --force-irmap finds the paths beforehand");
}
