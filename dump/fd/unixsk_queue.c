/*
 * Messages that wait in a UNIX socket, read without being taken: MSG_PEEK begins where the last one ended once
 * SO_PEEK_OFF is set. That offset is the socket's, so the guardian knows what it was, and it is put back at once.
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
#include "dump/guard.h"
#include "lib/io.h"

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

enum { CONTROL_SIZE = 4096, FIRST_SIZE = 1 << 16 };

struct reading {
	struct unixsk *s;
	struct image *img;
	int fd;
	char *buf;
	size_t room;
	uint64_t got; /* bytes of all messages */
};

/* Descriptors that came into our table with a copy of a message. */
static bool drop_descriptors(struct msghdr *m, int type)
{
	bool any = false;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		const int *fds = (const int *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != type)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
			close(fds[i]);
		any = true;
	}
	return any;
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
		from->cred->pid = who->pid;
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

static int save_message(struct reading *r, size_t size, struct err *e)
{
	SkPacketEntry packet = SK_PACKET_ENTRY__INIT;

	packet.id_for = r->s->entry->id;
	packet.length = size;
	if (!r->img->file &&
	    image_create(r->img, r->s->file->dump->images, IMG_SK_QUEUES, 0, e) < 0)
		return e->code;
	if (image_write(r->img, &packet, e) < 0)
		return e->code;
	return size ? image_write_extra(r->img, r->buf, size, e) : 0;
}

static int refuse_rights(struct err *e)
{
	err_code(e, ENOTSUP,
		 "a message with descriptors (SCM_RIGHTS) waits in it, which is not "
		 "supported yet");
	return err_hint(e, "let the program receive it before the dump");
}

static int set_offset(int fd, int offset, struct err *e)
{
	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) < 0 ?
		       err_sys(e, "set where it is looked at") :
		       0;
}

/* The message was longer than there is room for: once more, from its beginning. */
static int grow(struct reading *r, size_t size, struct err *e)
{
	char *more = realloc(r->buf, size);

	if (!more)
		return err_sys(e, "memory for a message of %zu bytes", size);
	r->buf = more;
	r->room = size;
	return set_offset(r->fd, (int)r->got, e);
}

/* The next message. -EAGAIN: there is none. */
static int peek(struct reading *r, struct err *e)
{
	union {
		struct cmsghdr align;
		char room[CONTROL_SIZE];
	} control;
	struct sockaddr_storage name = { 0 };
	struct iovec io = { r->buf, r->room };
	struct msghdr m = { .msg_name = &name,
			    .msg_namelen = sizeof(name),
			    .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	/* A stream has no messages that could be cut, and takes the flag for something else. */
	int whole = r->s->entry->type == SOCK_STREAM ? 0 : MSG_TRUNC;
	ssize_t n = recvmsg(r->fd, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC | whole);

	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n < 0)
		return err_sys(e, "look at what waits in it");
	drop_descriptors(&m, SCM_PIDFD);
	if (drop_descriptors(&m, SCM_RIGHTS))
		return refuse_rights(e);
	if ((size_t)n > r->room)
		return grow(r, n, e);
	if (m.msg_flags & MSG_CTRUNC)
		return err_say(e, "there is more beside a message than can be looked at");
	r->got += n;
	keep_from(r, &m);
	return save_message(r, n, e);
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
	int res = set_offset(r->fd, 0, e);

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

	if (files_copy(f, &r->fd, e) < 0)
		return e->code;
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

int unixsk_save_queue(struct unixsk *s, struct image *img, struct err *e)
{
	struct reading r = { .s = s, .img = img, .fd = -1 };
	int res;

	if (!can_have_any(s))
		return 0;
	r.room = s->state.unread > FIRST_SIZE ? s->state.unread : FIRST_SIZE;
	r.buf = malloc(r.room);
	if (!r.buf)
		return err_sys(e, "memory for %zu unread bytes", r.room);
	res = read_queue(&r, e);
	free(r.buf);
	own_close(&r.fd);
	return res;
}
