/*
 * POSIX message queues. A queue with a name stays where it is, with what is in it, as a file does: it is opened again (in an IPC
 * namespace of the tree's own dump/ns/ipc_mqueue.c carries it). One whose name is gone is carried with its messages, which
 * lib/mqueue.c looks at by taking them out and putting them back.
 *
 * Whoever asked to be told of the next message (mq_notify) would be told by that, and the kernel does not say the value that
 * the signal brings; so a registration by the tree, or by anybody where messages have to be looked at, is refused.
 */
#include "dump/mqueues.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "dump/files.h"
#include "dump/ns.h"

extern const struct fd_kind mqueue_fd_kind;

static bool mqueue_match(const struct file *f)
{
	return !(f->flags & O_PATH) && f->link[0] == '/' && mqueue_is(f->fd, &f->st);
}

static bool in_tree(const struct dump *d, int pid)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->pid == pid)
			return true;
	return false;
}

static int check_notify(const struct file *f, const MqueueEntry *q,
			const struct mqueue_status *status, struct err *e)
{
	if (!status->pid || (!in_tree(f->dump, status->pid) && !(q->unlinked && q->count)))
		return 0;
	return mqueues_refuse_notify(status->pid, e);
}

/* A queue of another IPC namespace has a name that leads elsewhere here, or nowhere. */
static int check_name(void *arg, struct err *e)
{
	const struct file *f = arg;
	const char *name = strrchr(f->link, '/');
	own_fd fd = mq_open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(e, "open the message queue '%s'", name);
	if (fstat(fd, &st) == 0 && st.st_dev == f->st.st_dev && st.st_ino == f->st.st_ino)
		return 0;
	err_code(e, ENOTSUP, "'%s' does not lead to it: it is of another IPC namespace", name);
	return err_hint(e, "run stasis in that one");
}

/* The first description of a queue has its messages. */
static bool is_known(const struct file *f)
{
	for (const struct file *o = NULL; (o = files_next(f->dump, &mqueue_fd_kind, o));)
		if (o != f && o->st.st_ino == f->st.st_ino && o->st.st_dev == f->st.st_dev)
			return true;
	return false;
}

static const char *name_of(struct file *f)
{
	static const char suffix[] = " (deleted)";
	char *name = pool_text(&f->dump->pool, f->link);
	size_t size = strlen(name), end = sizeof(suffix) - 1;

	if (f->st.st_nlink == 0 && size > end && strcmp(name + size - end, suffix) == 0)
		name[size - end] = 0;
	return name;
}

static int describe(struct file *f, MqueueEntry *q, int fd, struct err *e)
{
	if (mqueues_describe(q, fd, e) < 0)
		return e->code;
	q->name = (char *)name_of(f);
	/* mq_open(3) leaves this one in the description, where fdinfo has that of the descriptor. */
	q->flags = f->flags | (fcntl(f->fd, F_GETFL) & O_CLOEXEC);
	q->pos = f->pos;
	return 0;
}

static int mqueue_dump(struct file *f, FileEntry *entry, struct err *e)
{
	MqueueEntry *q = files_extra(f)->mqueue = pool_new(&f->dump->pool, MqueueEntry);
	struct mqueue_status status;
	own_fd own = -1;
	int got;

	entry->ext = pool_new(&f->dump->pool, ExtFileEntry);
	ext_file_entry__init(entry->ext);
	entry->ext->id = f->id;
	entry->ext->fown = f->fown;
	if (mqueue_reopen(f->fd, O_RDWR | O_NONBLOCK, &got, e) < 0)
		return e->code;
	own = got;
	if (describe(f, q, own, e) < 0 || mqueue_status(own, &status, e) < 0 ||
	    check_notify(f, q, &status, e) < 0)
		return e->code;
	if (!q->unlinked)
		return ns_run(f->dump, NS_IPC, check_name, f, e);
	return q->count && !is_known(f) ? mqueues_read_messages(&f->dump->pool, q, own, e) : 0;
}

const struct fd_kind mqueue_fd_kind = {
	.name = "fd/mqueue",
	.type = FD_TYPES__EXT,
	.match = mqueue_match,
	.dump = mqueue_dump,
};
