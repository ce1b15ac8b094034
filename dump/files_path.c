/*
 * Files with a path: whether the path still leads to the file, and what stands in for it if not.
 *
 * The kernel tells the path as it was opened or renamed since, with " (deleted)" behind it once that name is gone.
 * A name may really end so, and another file may have come under the old name; so device and inode decide, never
 * the text. The text has no symbolic links in it, so none is followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "dump/files.h"
#include "dump/files_table.h"
#include "dump/mounts.h"
#include "dump/ns.h"
#include "dump/watch.h"
#include "lib/buildid.h"
#include "lib/io.h"
#include "lib/proc.h"

#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif

static bool leads_to(const struct file *f, const char *path)
{
	return dmounts_leads(f->dump, f->mnt_id, path, &f->st);
}

/* The text without " (deleted)", NULL when it does not end so. */
static const char *without_suffix(struct file *f)
{
	static const char suffix[] = " (deleted)";
	size_t size = strlen(f->link), end = sizeof(suffix) - 1;
	char *name;

	if (size <= end || strcmp(f->link + size - end, suffix) != 0)
		return NULL;
	name = pool_text(&f->dump->pool, f->link);
	name[size - end] = 0;
	return name;
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

/* --evasive-devices: any node of the same device is as good. The kernel keeps the usual name of each. */
static const char *other_node(const struct file *f)
{
	const char *sort = S_ISCHR(f->st.st_mode) ? "char" : "block", *name, *path;
	own_mem char *text = NULL;
	struct err e = { 0 };
	struct stat st;
	char at[64];

	snprintf(at, sizeof(at), "/sys/dev/%s/%u:%u/uevent", sort, major(f->st.st_rdev),
		 minor(f->st.st_rdev));
	if (io_slurp(AT_FDCWD, at, &text, NULL, &e) < 0)
		return NULL;
	name = strstr(text, "DEVNAME=");
	if (!name)
		return NULL;
	name += strlen("DEVNAME=");
	path = pool_format(&f->dump->pool, "/dev/%.*s", (int)strcspn(name, "\n"), name);
	if (stat(path, &st) < 0 || st.st_rdev != f->st.st_rdev ||
	    (st.st_mode & S_IFMT) != (f->st.st_mode & S_IFMT))
		return NULL;
	return path;
}

/* The file system, when it is one whose files have no other names to be found by. */
static int check_filesystem(const struct file *f, const char *name, struct err *e)
{
	struct statfs fs;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	if (statfs(path, &fs) < 0)
		return err_sys(e, "'%s': statfs", name);
	if (fs.f_type == SECRETMEM_MAGIC)
		return err_code(e, ENOTSUP, "it is secret memory, which is not supported");
	return 0;
}

/* Its name leads nowhere, or to a process that has got the number since; not to another file system. */
static bool is_of_the_dead(const struct file *f, const char *name)
{
	struct stat st;

	if (stat("/proc", &st) < 0 || st.st_dev != f->st.st_dev)
		return false;
	if (stat(name, &st) < 0)
		return errno == ENOENT;
	return st.st_dev == f->st.st_dev;
}

/* "/proc/12/stat": a process with this number has to be there while it is opened. */
static bool of_dead_process(struct file *f, uint32_t id, const char *name)
{
	int pid = 0, end = 0;

	if (!is_of_the_dead(f, name) || sscanf(name, "/proc/%d%n", &pid, &end) != 1 || pid <= 0 ||
	    (name[end] && name[end] != '/'))
		return false;
	remap_note(f->dump->files, id, pid, REMAP_TYPE__PROCFS);
	return true;
}

/* The path is gone or another file has it. */
static int stand_in(struct file *f, uint32_t id, const char *name, bool deleted, struct err *e)
{
	bool dir = S_ISDIR(f->st.st_mode);

	if (check_filesystem(f, name, e) < 0)
		return e->code;
	if (of_dead_process(f, id, name))
		return 0;
	/* Some file systems keep a link count for a directory that was removed. */
	if (f->st.st_nlink == 0 || (deleted && dir))
		return ghost_add(f, id, e);
	if (!deleted) {
		err_code(e, ENOTSUP, "'%s' does not lead to it: another file or mount covers it",
			 name);
		return err_hint(e, "unmount what covers it, or run stasis where it can be seen");
	}
	if (f->dump->opt->link_remap)
		return remap_add_link(f, id, name, e);
	err_say(e, "'%s' was removed or replaced, but the file has other names (%lu)", name,
		(unsigned long)f->st.st_nlink);
	return err_hint(e, "--link-remap lets the dump make a temporary one");
}

/*
 * Files below /proc of a process outside of the tree are opened by their paths like others; but the number may have gone to
 * another process, so it is kept when this one was started. The first one is that of the machine, whichever it is.
 */
static int keep_start(struct file *f, const char *name, struct err *e)
{
	int pid = 0, end = 0;
	struct proc_stat stat;
	char path[32];

	if (f->num < 0 || sscanf(name, "/proc/%d/%n", &pid, &end) != 1 || !end || pid == 1 ||
	    files_has_thread(f->dump, pid))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	own_fd proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, "open '%s'", path);
	if (proc_stat_read(proc, &stat, e) < 0)
		return e->code;
	files_extra(f)->has_started = 1;
	f->extra->started = stat.start_time;
	return 0;
}

static bool is_external(struct file *f, RegFileEntry *reg)
{
	const char *key = pool_format(&f->dump->pool, "file[%x:%lx]", f->mnt_id, f->st.st_ino);

	if (f->num < 0 || !options_external(f->dump->opt, key, NULL))
		return false;
	reg->name = (char *)key;
	reg->has_ext = reg->ext = 1;
	return true;
}

static bool is_of_proc(const char *name)
{
	return strncmp(name, "/proc/", 6) == 0 && name[6] >= '0' && name[6] <= '9';
}

/*
 * sem_open(3) makes a semaphore under a name of its own, "sem." and six letters, gives it the right one by link(2), and removes
 * the first, by which the kernel knows the mapping of its maker for ever.
 */
static DIR *open_folder(const struct file *f, const char *path)
{
	struct dmount *m = dmounts_find(f->dump, f->mnt_id);
	own_fd fd = m ? dmounts_open(f->dump, m, path) : -1;
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return opendir(m ? link : path);
}

static const char *name_of_semaphore(const struct file *f, const char *removed)
{
	const char *slash = strrchr(removed, '/');
	char *folder = pool_text(&f->dump->pool, removed);
	struct dirent *entry;

	if (!slash || strncmp(slash, "/sem.", 5) != 0 || strlen(slash) != strlen("/sem.XXXXXX"))
		return NULL;
	folder[slash - removed] = 0;
	own_dir dir = open_folder(f, folder);
	while (dir && (entry = readdir(dir))) {
		const char *name;

		if (strncmp(entry->d_name, "sem.", 4) != 0 || entry->d_ino != f->st.st_ino)
			continue;
		name = pool_format(&f->dump->pool, "%s/%s", folder, entry->d_name);
		if (leads_to(f, name))
			return name;
	}
	return NULL;
}

static int find_name(struct file *f, RegFileEntry *reg, struct err *e)
{
	const char *base, *other;

	reg->name = (char *)f->link;
	if (ns_is_own(f->dump, NS_PID) && is_of_proc(f->link)) {
		err_code(e, ENOTSUP, "'%s' is of a process whose number here will be another one",
			 f->link);
		return err_hint(e, "let the program close it before the dump");
	}
	if (leads_to(f, f->link))
		return keep_start(f, f->link, e);
	if (is_external(f, reg))
		return 0;
	base = without_suffix(f);
	if (base) {
		reg->name = (char *)base;
		if (leads_to(f, base)) /* removed, and linked again */
			return 0;
		other = f->st.st_nlink ? name_of_semaphore(f, base) : NULL;
		if (other) {
			reg->name = (char *)other;
			return 0;
		}
	}
	if (is_device(&f->st) && f->dump->opt->evasive_devices &&
	    !dmounts_find(f->dump, f->mnt_id)) {
		other = other_node(f);
		if (other) {
			reg->name = (char *)other;
			return 0;
		}
	}
	return stand_in(f, reg->id, reg->name, base != NULL, e);
}

/* A descriptor that cannot be read (O_PATH, write-only) is opened once more; that takes no data and harms nobody. */
static void add_build_id(const struct file *f, RegFileEntry *reg)
{
	own_fd again = -1;
	int fd = f->fd;
	_Alignas(4) uint8_t id[BUILDID_MAX] = { 0 };
	char path[32];
	size_t size;

	if (f->num < 0 || f->flags & O_PATH || (f->flags & O_ACCMODE) == O_WRONLY) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
		fd = again = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	size = fd < 0 ? 0 : buildid_read(fd, id);
	if (!size)
		return;
	reg->n_build_id = (size + 3) / 4;
	reg->build_id = pool_copy(&f->dump->pool, id, reg->n_build_id * 4);
}

static bool grows_by_itself(const struct file *f)
{
	return (f->flags & O_ACCMODE) == O_WRONLY && f->flags & O_APPEND;
}

/* Of files that were looked at before: many have one file open many times. */
static struct known_path *known_path(const struct file *f)
{
	return &f->dump->files->paths[(f->st.st_ino ^ f->st.st_dev) % KNOWN_PATHS];
}

static bool is_known(const struct file *f)
{
	const struct known_path *k = known_path(f);

	return k->entry && k->st.st_dev == f->st.st_dev && k->st.st_ino == f->st.st_ino &&
	       k->st.st_ctim.tv_sec == f->st.st_ctim.tv_sec &&
	       k->st.st_ctim.tv_nsec == f->st.st_ctim.tv_nsec && k->st.st_size == f->st.st_size &&
	       k->mnt_id == f->mnt_id && k->num_known == (f->num >= 0) &&
	       strcmp(k->link, f->link) == 0;
}

/* Only what is found by the very path that the kernel tells; in /proc that is not all there is to it. */
static void note_known(const struct file *f, const RegFileEntry *reg)
{
	if (reg->name == f->link && !reg->ext && strncmp(reg->name, "/proc/", 6) != 0)
		*known_path(f) = (struct known_path){ .st = f->st,
						      .mnt_id = f->mnt_id,
						      .link = f->link,
						      .num_known = f->num >= 0,
						      .entry = reg };
}

static bool has_build_id(const struct file *f)
{
	return f->dump->opt->file_validation == FILE_VALIDATION_BUILDID && f->st.st_size;
}

/* A restore opens such a file by its handle, and makes none where others cover the place. */
static int check_covered(const struct file *f, const struct dmount *m, const char *name,
			 struct err *e)
{
	const struct dmount *above = dmounts_above(f->dump->mounts, m, name);
	struct {
		struct file_handle head;
		uint8_t bytes[MAX_HANDLE_SZ];
	} fh = { .head.handle_bytes = MAX_HANDLE_SZ };
	int unused;

	if (!above ||
	    (f->st.st_nlink && name_to_handle_at(f->fd, "", &fh.head, &unused, AT_EMPTY_PATH) == 0))
		return 0;
	err_code(e, ENOTSUP,
		 f->st.st_nlink ? "the mount '%s' covers '%s', and its file system has no handles" :
				  "the mount '%s' covers the place of '%s', which was removed",
		 above->line.at, name);
	return err_hint(e, "let the program close it, or unmount what covers it, before the dump");
}

/* A file of another mount namespace than the tree's has no number of a mount: it is opened outside, where it was found. */
static int note_mount(const struct file *f, RegFileEntry *reg, struct err *e)
{
	const struct dmount *m = dmounts_find(f->dump, f->mnt_id);

	if (!f->dump->mounts)
		return 0;
	reg->has_mnt_id = m != NULL;
	reg->mnt_id = m ? (int32_t)m->line.id : -1;
	if (m && m->skipped)
		return err_say(e, "'%s' is in the mount '%s', which --skip-mnt leaves out",
			       reg->name, m->line.at);
	return m ? check_covered(f, m, reg->name, e) : 0;
}

int files_path_entry(struct file *f, uint32_t id, RegFileEntry **ret, struct err *e)
{
	RegFileEntry *reg = pool_new(&f->dump->pool, RegFileEntry);
	const RegFileEntry *like = is_known(f) ? known_path(f)->entry : NULL;

	reg_file_entry__init(reg);
	reg->id = id;
	reg->flags = f->flags;
	reg->pos = f->pos;
	reg->fown = f->fown;
	if (like)
		reg->name = like->name;
	else if (find_name(f, reg, e) < 0)
		return e->code;
	*ret = reg;
	if (reg->ext)
		return 0;
	if (note_mount(f, reg, e) < 0)
		return e->code;
	reg->has_mode = 1;
	reg->mode = f->st.st_mode;
	if (!S_ISREG(f->st.st_mode) || grows_by_itself(f))
		return 0;
	reg->has_size = 1;
	reg->size = f->st.st_size;
	if (like && has_build_id(f)) {
		reg->n_build_id = like->n_build_id;
		reg->build_id = like->build_id;
	} else if (has_build_id(f)) {
		add_build_id(f, reg);
	}
	if (!like)
		note_known(f, reg);
	return 0;
}

static int add_node(struct file *f, RegFileEntry *reg, struct err *e)
{
	FileEntry *entry = pool_new(&f->dump->pool, FileEntry);

	file_entry__init(entry);
	entry->id = reg->id;
	entry->type = FD_TYPES__REG;
	entry->reg = reg;
	return files_put(f->dump->files, entry, e);
}

int files_add_named(struct file *f, const char *name, uint32_t *ret_id, struct err *e)
{
	RegFileEntry *reg = pool_new(&f->dump->pool, RegFileEntry);

	reg_file_entry__init(reg);
	reg->id = *ret_id = files_new_id(f->dump);
	reg->flags = f->flags;
	reg->fown = f->fown;
	reg->name = (char *)name;
	reg->has_mode = 1;
	reg->mode = f->st.st_mode;
	return note_mount(f, reg, e) < 0 ? e->code : add_node(f, reg, e);
}

int files_add_node(struct file *f, uint32_t *ret_id, struct err *e)
{
	uint32_t id = files_new_id(f->dump);
	RegFileEntry *reg;

	if (files_path_entry(f, id, &reg, e) < 0 || add_node(f, reg, e) < 0)
		return e->code;
	*ret_id = id;
	return 0;
}
