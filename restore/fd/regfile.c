/* Files that were opened by path: opened again, with the position that they had. Inherited ones have their own. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/proc.h"
#include "restore/files.h"
#include "restore/watch.h"

enum { O_PATH_FLAG = 010000000 };

/* Below /proc, the tree's own processes have to be there; of a thread or descriptor those, too. */
static enum made_when regfile_when(const struct restore *r, const FileEntry *f)
{
	int pid, tid, end = 0;
	enum made_when when;

	if (sscanf(f->reg->name, "/proc/%d%n", &pid, &end) != 1)
		return MADE_FIRST;
	when = rfiles_when_pid(r, pid);
	if (when != MADE_TREE)
		return when;
	if (sscanf(f->reg->name + end, "/task/%d", &tid) == 1 && tid != pid)
		return MADE_THREADS;
	return strstr(f->reg->name + end, "/fdinfo/") ? MADE_THREADS : MADE_TREE;
}

static int seek(struct restore *r, const RegFileEntry *reg, int fd, struct err *e)
{
	/* UINT64_MAX: the position means nothing. One in /proc/PID/mem may be negative for lseek. */
	if (reg->pos && reg->pos != UINT64_MAX && !(reg->flags & O_PATH_FLAG) &&
	    !rfiles_is_inherited(r, reg) && lseek(fd, reg->pos, SEEK_SET) == -1)
		return err_sys(e, "seek to %lu in '%s'", reg->pos, reg->name);
	return 0;
}

/* The kernel makes these up as they are read, so a position is one in what is there. */
static bool is_made_up(const RegFileEntry *reg)
{
	return strncmp(reg->name, "/proc/", 6) == 0;
}

/* Of a process outside of the tree: its number may have gone to another one since. */
static int check_start(const struct restore *r, const RegFileEntry *reg, struct err *e)
{
	const FileExtraEntry *x = rfiles_extra(r, reg->id);
	struct proc_stat stat;
	char path[32];
	int pid;

	if (!x || !x->started || sscanf(reg->name, "/proc/%d/", &pid) != 1)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	own_fd proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, "open '%s'", path);
	if (proc_stat_read(proc, &stat, e) < 0)
		return e->code;
	return stat.start_time == x->started ?
		       0 :
		       err_say(e, "'%s' was of another process, which is gone", reg->name);
}

static int regfile_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const RegFileEntry *reg = f->reg;
	own_fd fd = -1;
	int got;

	if (check_start(r, reg, e) < 0)
		return e->code;
	if (rfiles_open_path(r, reg, rfiles_open_flags(reg->flags), &got, e) < 0)
		return e->code;
	fd = got;
	if (!is_made_up(reg) && seek(r, reg, fd, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int regfile_settle(struct restore *r, const FileEntry *f, int fd, struct err *e)
{
	return is_made_up(f->reg) ? seek(r, f->reg, fd, e) : 0;
}

const struct fd_restore_kind regfile_fd_restore_kind = {
	.name = "fd/regfile",
	.type = FD_TYPES__REG,
	.when = regfile_when,
	.make = regfile_make,
	.settle = regfile_settle,
};
