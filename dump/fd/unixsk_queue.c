/*
 * Messages that wait in a UNIX socket, read without being taken: MSG_PEEK begins where the last one ended once
 * SO_PEEK_OFF is set. That offset is the socket's, so the guardian knows what it was, and it is put back at once.
 *
 * Bytes of a stream that bring descriptors cannot be told from those right before that bring none: the kernel shows both
 * together, as it gives them to a reader with room for all. So the descriptors then come with the first of these bytes.
 *
 * An empty message has no length by which an offset could pass it: the kernel marks it when it is seen, and passes over marked
 * ones. So an empty message that somebody has looked at before, with an offset set, cannot be seen again.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dump/fd/unixsk.h"
#include "dump/files_table.h"
#include "dump/guard.h"
#include "dump/ns.h"
#include "lib/io.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

enum { CONTROL_SIZE = 4096, FIRST_SIZE = 1 << 16, SENT_MAX = 253 };

struct reading {
	struct unixsk *s;
	int fd;
	char *buf;
	size_t room;
	uint64_t got; /* bytes of all messages */
};

/* One look at a message. */
struct looked {
	union {
		struct cmsghdr align;
		char room[CONTROL_SIZE];
	} control;
	struct sockaddr_storage name;
	struct iovec io;
	struct msghdr m;
	ssize_t size;
	int fds[SENT_MAX]; /* descriptors that came with it, ours now */
	size_t count;
};

/* Descriptors that came into our table with a copy of a message; ret (may be NULL) takes them, else they are closed. */
static size_t take_descriptors(struct msghdr *m, int type, int ret[SENT_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const int *fds = (const int *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != type)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			if (ret && n < SENT_MAX)
				ret[n++] = fds[i];
			else
				close(fds[i]);
	}
	return n;
}

static int add_sent(struct unixsk *s, struct file *f, struct err *e)
{
	struct file **more;

	if ((s->sent_count & (s->sent_count - 1)) == 0) {
		more = pool_array(&s->file->dump->pool, struct file *, s->sent_count * 2 + 1);
		if (s->sent_count)
			memcpy(more, s->sent, s->sent_count * sizeof(*more));
		s->sent = more;
	}
	s->sent[s->sent_count++] = f;
	/* Its own end may be on its way to itself: then its id is there, but nothing else yet. */
	return f->id ? 0 : err_code(e, ENOTSUP, "a message in it has what is not supported");
}

/* All of them are taken over, also when one fails. */
static int read_rights(struct reading *r, const int *fds, size_t count, SkPacketEntry *packet,
		       struct err *e)
{
	struct pool *pool = &r->s->file->dump->pool;
	ScmEntry *scm = pool_new(pool, ScmEntry);
	int res = 0;

	scm_entry__init(scm);
	scm->type = SCM_RIGHTS;
	scm->rights = pool_array(pool, uint32_t, count);
	for (size_t i = 0; i < count; i++) {
		struct file *f = NULL;

		if (res < 0) {
			close(fds[i]);
			continue;
		}
		res = files_add_sent(r->s->file->task, fds[i], &f, e);
		if (res == 0)
			res = add_sent(r->s, f, e);
		if (res == 0)
			scm->rights[scm->n_rights++] = f->id;
	}
	packet->scm = pool_new(pool, ScmEntry *);
	packet->scm[0] = scm;
	packet->n_scm = 1;
	return res;
}

static UnixFrom *read_from(struct reading *r, struct msghdr *m)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct pool *pool = &r->s->file->dump->pool;
	UnixFrom *from = pool_new(pool, UnixFrom);

	unix_from__init(from);
	if (m->msg_namelen > head) {
		from->has_name = 1;
		from->name.len = m->msg_namelen - head;
		from->name.data = pool_copy(pool, (char *)m->msg_name + head, from->name.len);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const struct ucred *who = (const struct ucred *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		from->cred = pool_new(pool, UnixCred);
		unix_cred__init(from->cred);
		from->cred->pid = ns_pid_inside(r->s->file->dump, who->pid);
		from->cred->uid = who->uid;
		from->cred->gid = who->gid;
	}
	return from;
}

static void keep_from(struct reading *r, struct msghdr *m)
{
	UnixExtraEntry *x = r->s->extra;
	UnixFrom **more;

	/* The list grows by doubling, in memory that is the pool's. */
	if ((x->n_from & (x->n_from - 1)) == 0) {
		more = pool_array(&r->s->file->dump->pool, UnixFrom *, x->n_from * 2 + 1);
		if (x->n_from)
			memcpy(more, x->from, x->n_from * sizeof(*more));
		x->from = more;
	}
	x->from[x->n_from] = read_from(r, m);
	r->s->has_extra |= x->from[x->n_from]->has_name || x->from[x->n_from]->cred;
	x->n_from++;
}

static int save_message(struct reading *r, size_t size, SkPacketEntry *packet, struct err *e)
{
	struct dump *d = r->s->file->dump;
	struct image *img = d->files->queues;

	packet->id_for = r->s->entry->id;
	packet->length = size;
	if (!img)
		img = d->files->queues = pool_new(&d->pool, struct image);
	if (!img->file && image_create(img, d->images, IMG_SK_QUEUES, 0, e) < 0)
		return e->code;
	if (image_write(img, packet, e) < 0)
		return e->code;
	return size ? image_write_extra(img, r->buf, size, e) : 0;
}

static int set_offset(int fd, int offset, struct err *e)
{
	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ?
		       err_sys(e, "set where it is looked at") :
		       0;
}

static int grow(struct reading *r, size_t size, struct err *e)
{
	char *more = realloc(r->buf, size);

	if (!more)
		return err_sys(e, "memory for a message of %zu bytes", size);
	r->buf = more;
	r->room = size;
	return 0;
}

/* What is behind the bytes that were read so far. -EAGAIN: nothing. */
static int look(struct reading *r, size_t room, struct looked *l, struct err *e)
{
	/* A stream has no messages that could be cut, and takes the flag for something else. */
	int whole = r->s->entry->type == SOCK_STREAM ? 0 : MSG_TRUNC;

	l->io = (struct iovec){ r->buf, room };
	l->m = (struct msghdr){ .msg_name = &l->name,
				.msg_namelen = sizeof(l->name),
				.msg_iov = &l->io,
				.msg_iovlen = 1,
				.msg_control = &l->control,
				.msg_controllen = sizeof(l->control) };
	if (set_offset(r->fd, (int)r->got, e) < 0)
		return e->code;
	l->size = recvmsg(r->fd, &l->m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC | whole);
	if (l->size < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (l->size < 0)
		return err_sys(e, "look at what waits in it");
	take_descriptors(&l->m, SCM_PIDFD, NULL);
	l->count = take_descriptors(&l->m, SCM_RIGHTS, l->fds);
	return 0;
}

static void drop(struct looked *l)
{
	while (l->count)
		close(l->fds[--l->count]);
}

/* The next message. */
static int peek(struct reading *r, struct err *e)
{
	SkPacketEntry packet = SK_PACKET_ENTRY__INIT;
	struct looked l = { 0 };
	int res = look(r, r->room, &l, e);

	if (res == 0 && (size_t)l.size > r->room) {
		drop(&l);
		res = grow(r, l.size, e);
		if (res == 0)
			res = look(r, r->room, &l, e);
	}
	if (res < 0)
		return res;
	if (l.count && read_rights(r, l.fds, l.count, &packet, e) < 0)
		return e->code;
	if (l.m.msg_flags & MSG_CTRUNC)
		return err_say(e, "there is more beside a message than can be looked at");
	r->got += l.size;
	keep_from(r, &l.m);
	return save_message(r, l.size, &packet, e);
}

/* Behind the end of what a connection has brought, its error would be reported, and so be gone. */
static bool is_more(const struct reading *r)
{
	const UnixSkEntry *sk = r->s->entry;

	if (sk->type == SOCK_DGRAM || r->got < r->s->state.unread)
		return true;
	return sk->type == SOCK_SEQPACKET && !(sk->shutdown & SK_SHUTDOWN__READ) && !r->s->error;
}

static int read_all(struct reading *r, struct err *e)
{
	int res = 0;

	while (res == 0 && is_more(r))
		res = peek(r, e);
	if (res < 0 && res != -EAGAIN)
		return res;
	if (r->s->entry->type != SOCK_DGRAM && r->got != r->s->state.unread)
		return err_say(e, "only %lu of %u unread bytes can be had", r->got,
			       r->s->state.unread);
	return 0;
}

static int read_queue(struct reading *r, struct err *e)
{
	const struct file *f = r->s->file;
	struct guard_peek was = { .pid = f->task->pid,
				  .start_time = f->task->stat.start_time,
				  .num = f->num,
				  .ino = f->st.st_ino };
	struct err later = { 0 };
	socklen_t size = sizeof(was.offset);
	int res;

	if (getsockopt(r->fd, SOL_SOCKET, SO_PEEK_OFF, &was.offset, &size) < 0)
		return err_sys(e, "ask where it is looked at");
	guard_peek_begin(f->dump->guard, &was);
	res = read_all(r, e);
	if (set_offset(r->fd, was.offset, &later) == 0)
		guard_peek_end(f->dump->guard);
	else if (res == 0)
		*e = later;
	return res < 0 ? res : later.code;
}

static bool can_have_any(const struct unixsk *s)
{
	if (s->entry->type == SOCK_DGRAM)
		return true;
	return s->entry->state == TCP_ESTABLISHED &&
	       (s->entry->type == SOCK_SEQPACKET || s->state.unread);
}

int unixsk_save_queue(struct unixsk *s, int fd, struct err *e)
{
	struct reading r = { .s = s, .fd = fd };
	int res;

	if (!can_have_any(s))
		return 0;
	r.room = s->state.unread > FIRST_SIZE ? s->state.unread : FIRST_SIZE;
	r.buf = malloc(r.room);
	if (!r.buf)
		return err_sys(e, "memory for %zu unread bytes", r.room);
	res = read_queue(&r, e);
	free(r.buf);
	return res;
}
