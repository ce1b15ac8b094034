/*
 * POSIX message queues: one that has a name is opened again, as it is by now; if there is none, an empty one is made in its
 * place. One whose name was gone is made with its messages, and its name taken away at once.
 */
#include "lib/mqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/apart.h"
#include "lib/io.h"
#include "restore/files_table.h"
#include "restore/mqueues.h"
#include "restore/ns.h"

/* What mq_open(3) opens lacks a flag that open(2) adds, and that F_GETFL tells. */
enum { KERNEL_O_LARGEFILE = 0100000 };

struct opened {
	uint32_t id;
	int fd;
};

/* A queue: an opening of ours for everything, and those of the images that have to be opened by its name. */
struct rmqueue {
	uint64_t ino;
	int fd;
	struct opened *opened;
	size_t opened_count;
	const char *
		made; /* the name under which we have made it, to be taken away if the restore fails */
};

struct rmqueues {
	struct rmqueue *at;
	size_t count;
	bool done;
};

static bool mqueue_takes(const FileExtraEntry *extra)
{
	return extra->mqueue;
}

static struct rmqueue *find(const struct rmqueues *all, uint64_t ino)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].ino == ino)
			return &all->at[i];
	return NULL;
}

int rmqueue_fill(const MqueueEntry *q, int fd, struct err *e)
{
	for (size_t k = 0; k < q->n_messages; k++)
		if (mqueue_put(fd, q->messages[k]->data.data, q->messages[k]->data.len,
			       q->messages[k]->priority, e) < 0)
			return e->code;
	return 0;
}

static int fill(const struct restore *r, const MqueueEntry *like, int fd, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		const FileExtraEntry *x = r->files->files[i].extra;
		const MqueueEntry *q = x ? x->mqueue : NULL;

		if (!q || q->ino != like->ino)
			continue;
		if (rmqueue_fill(q, fd, e) < 0)
			return e->code;
	}
	return 0;
}

/* O_EXCL: another one of that name is not ours. */
int rmqueue_create(const MqueueEntry *q, const char *name, int *ret_fd, struct err *e)
{
	struct mq_attr a = { .mq_maxmsg = q->max_messages, .mq_msgsize = q->message_size };
	own_fd fd = mq_open(name, O_RDWR | O_NONBLOCK | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &a);

	if (fd < 0) {
		err_sys(e, "make a message queue '%s' of %u messages, %u bytes each", name,
			q->max_messages, q->message_size);
		return e->code == -EINVAL || e->code == -EMFILE ?
			       err_hint(
				       e,
				       "raise the limits in /proc/sys/fs/mqueue and of ulimit -q") :
			       e->code;
	}
	if (fchown(fd, q->uid, q->gid) < 0 || fchmod(fd, q->mode) < 0) {
		err_sys(e, "set the owner and mode of the message queue");
		mq_unlink(name);
		return e->code;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The name by which it is opened with mq_open(3). */
static const char *plain_name(const MqueueEntry *q)
{
	const char *name = strrchr(q->name, '/');

	return name ? name : q->name;
}

/* The kernel would keep O_CLOEXEC among the flags of the description, unless it was there. */
static int open_by_name(const MqueueEntry *q, const char *name)
{
	int fd = mq_open(name, rfiles_open_flags(q->flags) | (int)(q->flags & O_CLOEXEC));

	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

struct nameless {
	struct restore *r;
	const MqueueEntry *q;
	struct rmqueue *m;
};

/* All that were opened by mq_open(3), while there is a name. */
static int open_all(const struct nameless *n, const char *name, struct err *e)
{
	for (size_t i = 0; i < n->r->files->count; i++) {
		const struct rfile *f = &n->r->files->files[i];
		const MqueueEntry *q = f->extra ? f->extra->mqueue : NULL;
		struct rmqueue *m = n->m;
		int fd;

		if (!q || q->ino != m->ino || q->flags & KERNEL_O_LARGEFILE)
			continue;
		fd = open_by_name(q, name);
		if (fd < 0)
			return err_res(e, fd, "open the message queue '%s'", name);
		m->opened[m->opened_count++] = (struct opened){ f->id, fd };
	}
	return 0;
}

/* Under its own name, which it shows for ever, if nobody has that; else under one of ours. */
static int create_nameless(void *arg, struct err *e)
{
	struct nameless *n = arg;
	const char *name = plain_name(n->q);
	char other[48];
	int r = rmqueue_create(n->q, name, &n->m->fd, e);

	if (r == -EEXIST) {
		snprintf(other, sizeof(other), "/.stasis-%d-%lx", getpid(), n->q->ino);
		*e = (struct err){ 0 };
		name = other;
		r = rmqueue_create(n->q, name, &n->m->fd, e);
	}
	if (r < 0)
		return r;
	r = open_all(n, name, e);
	mq_unlink(name);
	return r;
}

static int check(const MqueueEntry *q, int fd, struct err *e)
{
	struct mq_attr a;

	if (mqueue_attributes(fd, &a, e) < 0)
		return e->code;
	if (a.mq_maxmsg == q->max_messages && a.mq_msgsize == q->message_size)
		return 0;
	return err_say(e,
		       "the message queue '%s' takes %ld messages of %ld bytes now; it took %u of "
		       "%u when it was dumped",
		       q->name, a.mq_maxmsg, a.mq_msgsize, q->max_messages, q->message_size);
}

static int open_named(struct restore *r, const MqueueEntry *q, struct rmqueue *ret, struct err *e)
{
	const char *name = plain_name(q);

	if (r->opt->dry_run && rns_is_own(r, NS_IPC))
		return 0;
	ret->fd = mq_open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (ret->fd >= 0)
		return check(q, ret->fd, e);
	if (errno != ENOENT)
		return err_sys(e, "open the message queue '%s'", name);
	if (q->count)
		return err_say(e,
			       "the message queue '%s' is gone, with the %u messages that were in "
			       "it when it was dumped",
			       name, q->count);
	if (r->opt->dry_run)
		return 0;
	ret->made = name;
	return rmqueue_create(q, name, &ret->fd, e);
}

static int make_queue(struct restore *r, const MqueueEntry *q, struct rmqueue **ret, struct err *e)
{
	struct rmqueues *all = r->files->mqueues;
	struct nameless n = { .r = r, .q = q };
	struct rmqueue *m;

	if (!all)
		all = r->files->mqueues = pool_new(&r->pool, struct rmqueues);
	*ret = find(all, q->ino);
	if (*ret)
		return 0;
	if (io_grow(&all->at, all->count, sizeof(*all->at), e) < 0)
		return e->code;
	m = &all->at[all->count++];
	*m = (struct rmqueue){ .ino = q->ino, .fd = -1 };
	*ret = m;
	if (!q->unlinked)
		return open_named(r, q, m, e);
	if (r->opt->dry_run)
		return 0;
	n.m = m;
	m->opened = calloc(r->files->count, sizeof(*m->opened));
	if (!m->opened)
		return err_sys(e, "memory for a queue");
	if (apart_run(create_nameless, &n, e) < 0)
		return e->code;
	return fill(r, q, m->fd, e);
}

/* By a path below a mount, if that is how it had been opened. */
static int open_again(struct restore *r, uint32_t id, struct rmqueue *m, int *ret_fd, struct err *e)
{
	const MqueueEntry *q = rfiles_extra(r, id)->mqueue;
	int flags = rfiles_open_flags(q->flags), fd;

	for (size_t i = 0; i < m->opened_count; i++)
		if (m->opened[i].id == id) {
			*ret_fd = take_fd(&m->opened[i].fd);
			return 0;
		}
	if (q->flags & KERNEL_O_LARGEFILE && (q->unlinked || strrchr(q->name, '/') == q->name))
		return mqueue_reopen(m->fd, flags, ret_fd, e);
	fd = q->flags & KERNEL_O_LARGEFILE ? rfiles_path_open(r, q->name, flags) :
					     open_by_name(q, q->name);
	if (fd < 0)
		return err_res(e, fd, "open the message queue '%s'", q->name);
	*ret_fd = fd;
	return 0;
}

struct making {
	struct restore *r;
	uint32_t id;
	int *ret_fd;
};

static int make_inside(void *arg, struct err *e)
{
	const struct making *a = arg;
	struct restore *r = a->r;
	const MqueueEntry *q = rfiles_extra(r, a->id)->mqueue;
	struct rmqueue *m;
	own_fd fd = -1;
	int got;

	if (make_queue(r, q, &m, e) < 0)
		return e->code;
	if (m->fd < 0) { /* a dry run makes none */
		*a->ret_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		return *a->ret_fd < 0 ? err_sys(e, "open '/dev/null'") : 0;
	}
	if (open_again(r, a->id, m, &got, e) < 0)
		return e->code;
	fd = got;
	if (q->pos && lseek(fd, q->pos, SEEK_SET) < 0)
		return err_sys(e, "seek to %lu", q->pos);
	*a->ret_fd = take_fd(&fd);
	return 0;
}

static int mqueue_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	struct making a = { r, f->id, ret_fd };

	return rns_run(r, NS_IPC, make_inside, &a, e);
}

static void mqueue_done(struct restore *r)
{
	if (r->files->mqueues)
		r->files->mqueues->done = true;
}

static int close_all(void *arg, struct err *)
{
	struct rmqueues *all = arg;

	for (size_t i = 0; i < all->count; i++) {
		if (all->at[i].made && all->at[i].fd >= 0 && !all->done)
			mq_unlink(all->at[i].made);
		own_close(&all->at[i].fd);
		for (size_t k = 0; k < all->at[i].opened_count; k++)
			own_close(&all->at[i].opened[k].fd);
		free(all->at[i].opened);
	}
	free(all->at);
	return 0;
}

static void mqueue_close(struct restore *r)
{
	struct err ignored = { 0 };

	if (r->files->mqueues)
		(void)!rns_run(r, NS_IPC, close_all, r->files->mqueues, &ignored);
	r->files->mqueues = NULL;
}

const struct fd_restore_kind mqueue_fd_restore_kind = {
	.name = "fd/mqueue",
	.type = FD_TYPES__EXT,
	.takes = mqueue_takes,
	.make = mqueue_make,
	.done = mqueue_done,
	.close = mqueue_close,
};
