/*
 * The pid namespace. It comes with its first process (restore/spawn.c), in which all others are cloned with the numbers that they had;
 * what numbers we see is told when they are born (restore/run.c). It is gone when that process is.
 */
#include "images/ns/pid.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "images/image.h"
#include "restore/ns.h"

/* 1: it is somebody else's, and given to us. */
static int load_external(struct restore *r, uint32_t id, struct err *e)
{
	own_message PidnsEntry *m = NULL;
	int fd, got = image_load(r->images, IMG_PIDNS, id, &m, e);

	if (got == -ENOENT || (got == 0 && !m->ext_key)) {
		*e = (struct err){ 0 };
		return 0;
	}
	if (got < 0)
		return got;
	fd = options_inherited(r->opt, m->ext_key);
	if (fd < 0) {
		err_say(e, "the pid namespace '%s' is not of the images", m->ext_key);
		return err_hint(e, "say which one it is with --inherit-fd 'fd[N]:%s'", m->ext_key);
	}
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWPID)
		return err_say(e, "descriptor %d ('%s') is no pid namespace", fd, m->ext_key);
	r->ns->pid_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return r->ns->pid_fd < 0 ? err_sys(e, "take over descriptor %d", fd) : 1;
}

static int pid_load(struct restore *r, uint32_t id, struct err *e)
{
	int is_there = load_external(r, id, e);

	if (is_there < 0)
		return e->code;
	if (!is_there && r->tasks[0]->pid != 1)
		return err_say(e,
			       "'pstree.img' has a pid namespace of its own whose first process is "
			       "not the root of the tree, but pid %d",
			       r->tasks[0]->pid);
	return 0;
}

const struct ns_restore_kind pid_ns_restore_kind = {
	.name = "ns/pid",
	.kind = NS_PID,
	.elsewhere = true,
	.load = pid_load,
};
