/*
 * Opening files by path, as the tree sees it, and checking that each is the file that was dumped: type, permissions,
 * size, build-id. A path that leads nowhere is stood in for by restore/fd/remap.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/buildid.h"
#include "restore/files_table.h"
#include "restore/mounts.h"

/* The kernel's: the library's O_LARGEFILE is 0. */
#define KERNEL_O_TMPFILE 020000000
#define PATH_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW)
#define OPEN_FLAGS                                                                       \
	(O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_DIRECT | O_DIRECTORY | \
	 O_NOFOLLOW | O_NOATIME | O_PATH)

int rfiles_open_flags(uint32_t flags)
{
	if (flags & KERNEL_O_TMPFILE) /* it has O_DIRECTORY in it */
		flags &= ~(uint32_t)O_DIRECTORY;
	return flags & (flags & O_PATH ? PATH_FLAGS : OPEN_FLAGS);
}

int rfiles_path_open(const struct restore *r, const char *path, int flags)
{
	struct open_how how = { .resolve = RESOLVE_IN_ROOT };
	int fd;

	/* openat2 is strict about what makes no sense. */
	how.flags = (flags & O_PATH ? flags & PATH_FLAGS : flags) | O_CLOEXEC;
	if (r->files->root < 0)
		fd = open(path, flags | O_CLOEXEC);
	else
		fd = syscall(SYS_openat2, r->files->root, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

int rfiles_reopen(int fd, int flags, int *ret_fd, struct err *e)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, (flags & ~O_NOFOLLOW) | O_NOCTTY | O_CLOEXEC);
	if (again < 0)
		return err_sys(e, "open it once more");
	*ret_fd = again;
	return 0;
}

int rfiles_inherited(const struct restore *r, const char *key, int flags, int *ret_fd,
		     struct err *e)
{
	int fd = options_inherited(r->opt, key), has, copy;

	*ret_fd = -1;
	if (fd < 0)
		return 0;
	has = fcntl(fd, F_GETFL);
	if (has < 0)
		return err_sys(e, "fd %d of --inherit-fd for '%s'", fd, key);
	/* The other end of what was given, or another access to it. */
	if (!(has & O_PATH) && (has & O_ACCMODE) != O_RDWR &&
	    (has & O_ACCMODE) != (flags & O_ACCMODE)) {
		if (rfiles_reopen(fd, flags, ret_fd, e) < 0)
			return err_on(e, "fd %d of --inherit-fd for '%s'", fd, key);
		return 0;
	}
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return err_sys(e, "fd %d of --inherit-fd for '%s'", fd, key);
	*ret_fd = copy;
	return 0;
}

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode)  ? "regular file" :
	       S_ISDIR(mode)  ? "directory" :
	       S_ISCHR(mode)  ? "character device" :
	       S_ISBLK(mode)  ? "block device" :
	       S_ISFIFO(mode) ? "named pipe" :
	       S_ISLNK(mode)  ? "symbolic link" :
				"socket";
}

static int check_mode(const struct restore *r, const RegFileEntry *reg, mode_t mode, struct err *e)
{
	mode_t mask = r->opt->skip_file_rwx_check ? 07000 : 07777;

	if (!reg->has_mode)
		return 0;
	if ((mode & S_IFMT) != (reg->mode & S_IFMT))
		return err_say(e, "'%s' is a %s now; it was a %s when it was dumped", reg->name,
			       type_name(mode), type_name(reg->mode));
	if ((mode & mask) == (reg->mode & mask))
		return 0;
	err_say(e, "'%s' has the mode 0%o now; it had 0%o when it was dumped", reg->name,
		mode & 07777, reg->mode & 07777);
	return (mode & 07000) == (reg->mode & 07000) ?
		       err_hint(e, "--skip-file-rwx-check leaves that out of account") :
		       e->code;
}

static int check_build_id(const struct restore *r, const RegFileEntry *reg, int fd, struct err *e)
{
	_Alignas(4) uint8_t id[BUILDID_MAX] = { 0 };
	own_fd readable = -1;
	size_t size;

	if (r->opt->file_validation != FILE_VALIDATION_BUILDID || !reg->n_build_id)
		return 0;
	if (rfiles_reopen(fd, O_RDONLY, &readable, e) < 0)
		return e->code;
	size = buildid_read(readable, id);
	if ((size + 3) / 4 == reg->n_build_id &&
	    memcmp(id, reg->build_id, reg->n_build_id * 4) == 0)
		return 0;
	err_say(e, "'%s' is another program than the one that was dumped: its build-id differs",
		reg->name);
	return err_hint(e, "bring back the file as it was then");
}

static int check(const struct restore *r, const RegFileEntry *reg, int fd, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s'", reg->name);
	if (check_mode(r, reg, st.st_mode, e) < 0)
		return e->code;
	if (reg->has_size && S_ISREG(st.st_mode) && (uint64_t)st.st_size != reg->size)
		return err_say(e, "'%s' has %lu bytes now; it had %lu when it was dumped",
			       reg->name, (unsigned long)st.st_size, reg->size);
	return check_build_id(r, reg, fd, e);
}

static const char *key_of(const RegFileEntry *reg)
{
	return reg->ext ? reg->name : reg->name + (reg->name[0] == '/');
}

bool rfiles_is_inherited(const struct restore *r, const RegFileEntry *reg)
{
	return options_inherited(r->opt, key_of(reg)) >= 0;
}

static int open_external(struct restore *r, const RegFileEntry *reg, int flags, int *ret_fd,
			 struct err *e)
{
	const char *key = key_of(reg);

	if (rfiles_inherited(r, key, flags, ret_fd, e) < 0)
		return e->code;
	if (*ret_fd >= 0 || !reg->ext)
		return 0;
	err_say(e, "it came from outside of the tree");
	return err_hint(e, "give a descriptor for it with --inherit-fd 'fd[N]:%s'", key);
}

/* Opening it through /proc follows links, so a symbolic link itself can only be copied. */
static int open_stand_in(const RegFileEntry *reg, int path_fd, int flags, int *ret_fd,
			 struct err *e)
{
	int copy;

	if ((flags & (O_PATH | O_NOFOLLOW)) != (O_PATH | O_NOFOLLOW)) {
		if (rfiles_reopen(path_fd, flags, ret_fd, e) < 0)
			return err_on(e, "'%s'", reg->name);
		return 0;
	}
	copy = fcntl(path_fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return err_sys(e, "copy a descriptor of '%s'", reg->name);
	*ret_fd = copy;
	return 0;
}

/* In the mount that it was in; without one: where the tree was not, so it is opened where we are. */
static int open_named(const struct restore *r, const RegFileEntry *reg, int flags)
{
	const struct rmount *m = rmounts_find(r, reg->mnt_id);
	struct err ignored = { 0 };
	int again = -1;

	if (!r->mounts)
		return rfiles_path_open(r, reg->name, flags);
	if (!m)
		return (again = open(reg->name, flags | O_CLOEXEC)) < 0 ? -errno : again;
	own_fd fd = rmounts_open(r, m, reg->name);
	if (fd < 0 || (flags & (O_PATH | O_NOFOLLOW)) == (O_PATH | O_NOFOLLOW))
		return take_fd(&fd);
	return rfiles_reopen(fd, flags, &again, &ignored) < 0 ? ignored.code : again;
}

/*
 * Opening it does something if it is another sort of file by now: a named pipe waits, a device may wake up. So it is
 * looked at first.
 */
static int check_sort(const struct restore *r, const RegFileEntry *reg, int flags, struct err *e)
{
	own_fd fd = -1;
	struct stat st;

	if (flags & O_PATH)
		return 0;
	fd = open_named(r, reg, O_PATH | (flags & O_NOFOLLOW));
	/* What cannot even be looked at cannot be opened either, and that is said then. */
	return fd >= 0 && fstat(fd, &st) == 0 ? check_mode(r, reg, st.st_mode, e) : 0;
}

int rfiles_open_path(struct restore *r, const RegFileEntry *reg, int flags, int *ret_fd,
		     struct err *e)
{
	const struct rfile *f = rfiles_find(r, reg->id);
	own_fd fd = -1;
	int got = -1;

	if (open_external(r, reg, flags, &got, e) < 0)
		return e->code;
	if (got >= 0) {
		*ret_fd = got;
		return 0;
	}
	if (f && f->path_fd >= 0)
		return open_stand_in(reg, f->path_fd, flags, ret_fd, e);
	if (check_sort(r, reg, flags, e) < 0)
		return e->code;
	fd = open_named(r, reg, flags | O_NOCTTY);
	if (fd < 0) {
		err_res(e, fd, "open '%s'", reg->name);
		if (e->code == -EMFILE)
			err_hint(e, "raise the limit of open files (ulimit -n)");
		return e->code;
	}
	if (check(r, reg, fd, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}
