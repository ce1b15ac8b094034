/*
 * The POSIX message queues that have a name in an IPC namespace of the tree's own, with their messages, opened by somebody or
 * not. A new mount of mqueue, attached nowhere, shows those of whoever makes it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "dump/mqueues.h"
#include "images/image.h"

typedef int visit(void *arg, const char *name, int fd, struct err *e);

/* -1: the kernel has no such queues. */
static int mount_queues(int *ret_fd, struct err *e)
{
	own_fd fs = fsopen("mqueue", FSOPEN_CLOEXEC);

	*ret_fd = -1;
	if (fs < 0 && errno == ENODEV)
		return 0;
	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
	    (*ret_fd = fsmount(fs, FSMOUNT_CLOEXEC, 0)) < 0)
		return err_sys(e, "look at its POSIX message queues");
	return 0;
}

static int visit_one(int dir, const char *name, visit *run, void *arg, struct err *e)
{
	own_fd fd = openat(dir, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r = fd < 0 ? err_sys(e, "open it") : run(arg, name, fd, e);

	return r < 0 ? err_on(e, "the POSIX message queue '/%s'", name) : 0;
}

static int visit_all(visit *run, void *arg, struct err *e)
{
	struct dirent *entry;
	own_fd mount = -1;
	own_dir dir = NULL;
	int got;

	if (mount_queues(&got, e) < 0)
		return e->code;
	mount = got;
	if (mount < 0)
		return 0;
	dir = fdopendir(openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_REG && visit_one(mount, entry->d_name, run, arg, e) < 0)
			return e->code;
	return dir ? 0 : err_sys(e, "list its POSIX message queues");
}

static int check(void *, const char *, int fd, struct err *e)
{
	struct mqueue_status status;

	if (mqueue_status(fd, &status, e) < 0)
		return e->code;
	return status.pid ? mqueues_refuse_notify(status.pid, e) : 0;
}

int ipc_mqueues_check(struct err *e)
{
	return visit_all(check, NULL, e);
}

struct out {
	struct dump *d;
	uint32_t id;
	struct image img; /* made when there is a queue */
};

static int save(void *arg, const char *name, int fd, struct err *e)
{
	struct out *o = arg;
	char path[NAME_MAX + 2];
	MqueueEntry q;

	if (check(NULL, name, fd, e) < 0 || mqueues_describe(&q, fd, e) < 0)
		return e->code;
	snprintf(path, sizeof(path), "/%s", name);
	q.name = path;
	if ((q.count && mqueues_read_messages(&o->d->pool, &q, fd, e) < 0) ||
	    (!o->img.file && image_create(&o->img, o->d->images, IMG_IPC_MQUEUE, o->id, e) < 0))
		return e->code;
	return image_write(&o->img, &q, e);
}

int ipc_mqueues_save(struct dump *d, uint32_t id, struct err *e)
{
	struct out o = { .d = d, .id = id };
	int r = visit_all(save, &o, e);

	if (r == 0)
		r = image_close(&o.img, e);
	image_drop(&o.img);
	return r;
}
