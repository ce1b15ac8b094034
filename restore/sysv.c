/* Making an object of System V IPC with its id; see sysv.h. */
#include "restore/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"

/* The kernel gives the wished id if it is free, and another one otherwise. */
static int take(const IpcDescEntry *d, int key, const struct sysv_maker *m)
{
	int id = m->get(key, IPC_CREAT | IPC_EXCL | (int)(d->mode & 0777), m->arg);

	if (id < 0)
		return -errno;
	if ((uint32_t)id == d->id)
		return 0;
	m->remove(id);
	return -EEXIST;
}

int sysv_take(const IpcDescEntry *d, int key, const struct sysv_maker *m)
{
	struct err failed = { 0 };
	char text[16];
	int status;
	pid_t pid;

	snprintf(text, sizeof(text), "%u", d->id);
	if (io_put(AT_FDCWD, m->next_id, text, &failed) < 0)
		return failed.code;
	if (d->cuid == geteuid() && d->cgid == getegid())
		return take(d, key, m);
	/* Who creates one stays its creator for good, so a child that is that user does it. */
	pid = fork();
	if (pid == 0) {
		if (syscall(SYS_setresgid, -1, d->cgid, -1) < 0 ||
		    syscall(SYS_setresuid, -1, d->cuid, -1) < 0)
			_exit(errno);
		_exit(-take(d, key, m));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
