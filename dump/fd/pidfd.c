/*
 * pidfds: of processes and threads (PIDFD_THREAD, a flag of the description) of the tree, zombies among them, and of those that are
 * gone, of which the kernel tells how they ended since 6.15. Outside of the tree a process may be another one by the time of the
 * restore, so these are refused.
 *
 * Since 6.9 each process has an inode number of its own, which joins the pidfds of one that is gone.
 */
#include "images/fd/pidfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "dump/files.h"
#include "dump/ns.h"
#include "dump/watch.h"
#include "lib/io.h"

/* The first version of the kernel's struct. */
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define PIDFD_GET_INFO_CALL _IOWR(0xff, 11, struct info)
#define INFO_EXIT (1UL << 3)

static bool pidfd_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:[pidfd]") == 0 || strncmp(f->link, "pidfd:", 6) == 0;
}

/* A kernel that does not tell leaves the status of a restored one at 0. */
static void keep_status(struct file *f)
{
	struct info info = { .mask = INFO_EXIT };

	if (ioctl(f->fd, PIDFD_GET_INFO_CALL, &info) < 0 || !(info.mask & INFO_EXIT))
		return;
	files_extra(f)->has_status = 1;
	f->extra->status = info.exit_code;
}

static int refuse(const struct file *f, int pid, struct err *e)
{
	own_mem char *comm = NULL;
	struct err ignored = { 0 };
	char path[32];

	(void)f;
	if (pid <= 0) {
		err_code(e, ENOTSUP, "it is of a process that has no pid here");
		return err_hint(e, "let the program close it before the dump");
	}
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (io_slurp(AT_FDCWD, path, &comm, NULL, &ignored) == 0)
		comm[strcspn(comm, "\n")] = 0;
	err_code(e, ENOTSUP, "it is of pid %d (%s), which is outside of the tree", pid,
		 comm ? comm : "?");
	return err_hint(e, "let the program close it before the dump, or dump a tree with both");
}

static int pidfd_dump(struct file *f, FileEntry *entry, struct err *e)
{
	PidfdEntry *p = pool_new(&f->dump->pool, PidfdEntry);
	uint64_t number;
	int pid;

	if (!files_number(f->fdinfo, "Pid", 10, &number))
		return err_code(e, ENOTSUP, "this kernel does not tell its process");
	pid = (int)(int64_t)number;
	pidfd_entry__init(p);
	p->id = f->id;
	p->ino = (uint32_t)f->st.st_ino;
	p->flags = f->flags & ~O_ACCMODE;
	p->nspid = pid > 0 ? ns_pid_inside(f->dump, pid) : pid;
	p->fown = f->fown;
	if (pid == -1)
		keep_status(f);
	else if (!files_has_thread(f->dump, pid))
		return refuse(f, pid, e);
	entry->pidfd = p;
	return 0;
}

const struct fd_kind pidfd_fd_kind = {
	.name = "fd/pidfd",
	.type = FD_TYPES__PIDFD,
	.match = pidfd_match,
	.dump = pidfd_dump,
};
