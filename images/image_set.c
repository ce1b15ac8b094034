/*
 * A folder of images is complete or it is refused: the inventory is what makes it complete.
 *
 * It is written last, under another name, once everything else is on disk, and then renamed. A reader opens
 * the inventory first, so a dump that was cut off at any point is never taken for one that can be restored.
 * The manifest says what all files are, the inventory included, so it comes just before that gets its name.
 * Files that come into the folder after image_set_finish (statistics) are not part of the set.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "images/image.h"
#include "images/manifest.h"
#include "lib/io.h"
#include "lib/own.h"

#define INVENTORY_PART "inventory.img.part"

enum { SYNC_AT_ONCE = 256 };

typedef int (*file_fn)(int dir_fd, const char *name, void *arg, struct err *e);

/* Page maps and pages are left alone: they are found through other images only, and a page server may be
 * filling them already. */
static bool is_stale(enum image_kind kind)
{
	return kind != IMG_PAGEMAP && kind != IMG_PAGEMAP_SHMEM && kind != IMG_PAGES &&
	       kind != IMG_PACKED && kind != IMG_STATS_DUMP && kind != IMG_STATS_RESTORE &&
	       kind != IMG_IRMAP_CACHE;
}

static int remove_file(int dir_fd, const char *name, void *arg, struct err *e)
{
	enum image_kind kind;
	uint64_t id;

	(void)arg;
	/* A page server fills no compressed pages, and those left over may lead to others that are gone. */
	if (strcmp(name, INVENTORY_PART) != 0 &&
	    (!image_name_parse(name, &kind, &id) || !(is_stale(kind) || kind == IMG_PACKED)))
		return 0;
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "remove '%s' of an earlier dump", name);
	return 0;
}

/* There is no disk below a tmpfs, and a dump of a thousand threads has a thousand files. */
static bool is_memory(int dir_fd)
{
	struct statfs fs;

	return fstatfs(dir_fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC;
}

/* Files that are being written to the disk. */
struct syncing {
	int fd[SYNC_AT_ONCE];
	char name[SYNC_AT_ONCE][IMAGE_NAME_MAX];
	size_t count;
};

/* Waits until the disk has them. */
static int sync_rest(struct syncing *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->count; i++) {
		if (r == 0 && fsync(s->fd[i]) < 0)
			r = err_sys(e, "fsync '%s'", s->name[i]);
		own_close(&s->fd[i]);
	}
	s->count = 0;
	return r;
}

/* Starts writing without waiting, so that the disk has many files at once when it is asked for each. */
static int sync_file(int dir_fd, const char *name, void *arg, struct err *e)
{
	struct syncing *s = arg;
	enum image_kind kind;
	uint64_t id;
	int fd;

	if (!image_name_parse(name, &kind, &id))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open '%s'", name);
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	snprintf(s->name[s->count], IMAGE_NAME_MAX, "%s", name);
	s->fd[s->count++] = fd;
	return s->count == SYNC_AT_ONCE ? sync_rest(s, e) : 0;
}

static int for_each_file(int dir_fd, file_fn fn, void *arg, struct err *e)
{
	own_fd fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	int r;

	if (fd < 0)
		return err_sys(e, "open the image folder");
	own_dir dir = fdopendir(fd);
	if (!dir)
		return err_sys(e, "read the image folder");
	take_fd(&fd);
	for (errno = 0; (d = readdir(dir)); errno = 0) {
		r = fn(dir_fd, d->d_name, arg, e);
		if (r < 0)
			return r;
	}
	return errno ? err_sys(e, "read the image folder") : 0;
}

static int sync_folder(int dir_fd, struct err *e)
{
	own_fd fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open the image folder");
	if (fsync(fd) < 0)
		return err_sys(e, "fsync the image folder");
	return 0;
}

/* The inventory goes first, and for good: a folder that lost only some of its images must not look complete. */
int image_set_begin(int dir_fd, struct err *e)
{
	int r;

	r = remove_file(dir_fd, "inventory.img", NULL, e);
	if (r < 0)
		return r;
	r = for_each_file(dir_fd, remove_file, NULL, e);
	if (r < 0)
		return r;
	return sync_folder(dir_fd, e);
}

static int write_part(int dir_fd, const struct InventoryEntry *inventory, struct err *e)
{
	int fd = openat(dir_fd, INVENTORY_PART, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	own_image i = {};
	int r;

	if (fd < 0)
		return err_sys(e, "create '%s'", INVENTORY_PART);
	r = image_create_fd(&i, fd, IMG_INVENTORY, INVENTORY_PART, e);
	if (r < 0)
		return r;
	r = image_write(&i, inventory, e);
	if (r < 0)
		return r;
	if (image_flush(&i, e) < 0)
		return e->code;
	if (fsync(image_fd(&i)) < 0)
		return err_sys(e, "fsync '%s'", INVENTORY_PART);
	return image_close(&i, e);
}

/* What lies about of page maps and pages may be of another dump: those of this one are in the manifest already. */
static int list_file(int dir_fd, const char *name, void *arg, struct err *e)
{
	enum image_kind kind;
	uint64_t id;

	(void)dir_fd;
	if (!image_name_parse(name, &kind, &id) || !is_stale(kind) || kind == IMG_MANIFEST)
		return 0;
	return manifest_list(arg, name, e);
}

static int write_manifest(int dir_fd, struct manifest *m, struct err *e)
{
	own_mem char *inventory = NULL;
	size_t size;

	if (io_slurp(dir_fd, INVENTORY_PART, &inventory, &size, e) < 0 ||
	    manifest_take_data(m, "inventory.img", inventory, size, e) < 0 ||
	    for_each_file(dir_fd, list_file, m, e) < 0 || manifest_read(m, dir_fd, e) < 0)
		return e->code;
	return manifest_write(m, dir_fd, e);
}

int image_set_finish(int dir_fd, const struct InventoryEntry *inventory, struct manifest *m,
		     struct err *e)
{
	struct syncing files = { .count = 0 };
	struct err later = {};
	int r;

	if (write_part(dir_fd, inventory, e) < 0 || write_manifest(dir_fd, m, e) < 0)
		return e->code;
	r = is_memory(dir_fd) ? 0 : for_each_file(dir_fd, sync_file, &files, e);
	if (sync_rest(&files, r < 0 ? &later : e) < 0 || r < 0)
		return e->code;
	/* The names of the files before the name that vouches for them. */
	r = sync_folder(dir_fd, e);
	if (r < 0)
		return r;
	if (renameat(dir_fd, INVENTORY_PART, dir_fd, "inventory.img") < 0)
		return err_sys(e, "rename '%s' to 'inventory.img'", INVENTORY_PART);
	return sync_folder(dir_fd, e);
}
