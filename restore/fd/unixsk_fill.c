/*
 * What waited in UNIX sockets. Only a peer can put it there: the one that the socket has, or one in its place. Messages of
 * senders that were not the peer are sent before there is one, since a connected datagram socket takes none of others.
 */
#include <errno.h>
#include <string.h>

#include "restore/fd/unixsk.h"
#include "restore/sk_opts.h"

struct sending {
	int fd;
	const struct message *message;
	const struct unix_address *to; /* NULL: to its peer */
	bool stream;
	int fds[RIGHTS_MAX]; /* that go with it */
};

static ssize_t send_part(struct sending *s, size_t from, bool rights)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(RIGHTS_MAX * sizeof(int))];
	} control = { 0 };
	size_t size = rights ? s->message->right_count * sizeof(int) : 0;
	struct iovec io = { s->message->bytes + from, s->message->size - from };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	if (s->to) {
		m.msg_name = (void *)&s->to->any;
		m.msg_namelen = s->to->size;
	}
	if (size) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(size);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(&control.head), s->fds, size);
	}
	return sendmsg(s->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A message as one; a stream in as many pieces as it takes. */
static int call_send(void *arg)
{
	struct sending *s = arg;
	size_t sent = 0;

	do {
		ssize_t n = send_part(s, sent, sent == 0);

		if (n < 0)
			return -errno;
		sent += n;
	} while (s->stream && sent < s->message->size);
	return 0;
}

/* Sockets are not in the table of files yet. */
static int find_rights(const struct rsocket *s, struct sending *ret, struct err *e)
{
	const struct message *m = ret->message;

	for (size_t i = 0; i < m->right_count; i++) {
		const struct rsocket *other = rsockets_find_id(s->r->files->sockets, m->rights[i]);

		ret->fds[i] = other ? other->fd : rfiles_fd(s->r, m->rights[i]);
		if (ret->fds[i] < 0)
			return err_say(e,
				       "a descriptor of file %u waits in a message for it, which "
				       "is not made by then",
				       m->rights[i]);
	}
	return 0;
}

static const UnixFrom *from_of(const struct rsocket *s, size_t i)
{
	return s->extra && i < s->extra->n_from ? s->extra->from[i] : NULL;
}

static int say_full(struct rsocket *s, int res, struct err *e)
{
	err_res(e, res, "put back a message of %u bytes that waited in it",
		s->messages[s->sent].size);
	return res == -EAGAIN && s->entry->type == SOCK_DGRAM ?
		       err_hint(e, "raise /proc/sys/net/unix/max_dgram_qlen") :
		       res;
}

/* The next message. With SO_PASSCRED the kernel notes who sends it, while the option is set. */
static int send_next(struct rsocket *s, int from, const struct unix_address *to, struct err *e)
{
	struct sending sending = { .fd = from,
				   .message = &s->messages[s->sent],
				   .to = to,
				   .stream = s->entry->type == SOCK_STREAM };
	const UnixFrom *who = from_of(s, s->sent);
	struct actor actor;
	int res;

	if (find_rights(s, &sending, e) < 0)
		return e->code;
	sk_opts_make_room(from);
	if (who && who->cred) {
		rsocket_actor(s->r, &actor, who->cred);
		if (sk_opts_set_number(s->fd, SO_PASSCRED, 1, e) < 0)
			return e->code;
		res = actor_do(&actor, call_send, &sending, NULL);
		if (sk_opts_set_number(s->fd, SO_PASSCRED, 0, e) < 0)
			return e->code;
	} else {
		res = call_send(&sending);
	}
	if (res < 0)
		return say_full(s, res, e);
	s->sent++;
	return 0;
}

/* --- before there are peers ----------------------------------------------------------------------- */

static const ProtobufCBinaryData *sender_name(const struct rsocket *s, size_t i)
{
	static const ProtobufCBinaryData none;
	const UnixFrom *from = from_of(s, i);

	return from ? &from->name : &none;
}

static bool is_mutual(const struct rsocket *s)
{
	return s->peer && s->peer->peer == s;
}

/* How many messages are sent before. */
static size_t early_count(const struct rsocket *s)
{
	size_t n = s->message_count;

	if (s->entry->type != SOCK_DGRAM || !s->entry->name.len || s->stands_for)
		return 0;
	while (n && is_mutual(s) && rsocket_same_name(sender_name(s, n - 1), &s->peer->entry->name))
		n--;
	return n;
}

static struct rsocket *sender_of(struct rsockets *all, const struct rsocket *s,
				 const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < all->count && name->len; i++) {
		struct rsocket *o = &all->at[i];

		if (o->entry->type == SOCK_DGRAM && o->fd >= 0 && o != s && !o->inherited &&
		    !o->stands_for && rsocket_same_name(&o->entry->name, name))
			return o;
	}
	return NULL;
}

/* Somebody who is gone, or has no name. */
static int send_as_other(struct rsocket *s, const struct unix_address *to,
			 const ProtobufCBinaryData *name, struct err *e)
{
	own_fd fd = -1;
	int got;

	if (rsocket_new(s, &got, e) < 0)
		return e->code;
	fd = got;
	if (name->len && rsocket_bind_hidden(s->r, fd, name, e) < 0)
		return e->code;
	return send_next(s, fd, to, e);
}

int rsocket_fill_early(struct rsockets *all, struct rsocket *s, struct err *e)
{
	size_t count = early_count(s);
	struct unix_address to;
	own_fd hold = -1;
	struct rsocket *sender;

	/* An end of a pair has its peer already, and can have had no other. */
	if (!count || s->other >= 0)
		return 0;
	if (rsocket_address(s->fd, &to, &hold, e) < 0)
		return e->code;
	while (s->sent < count) {
		const ProtobufCBinaryData *name = sender_name(s, s->sent);
		int res;

		sender = sender_of(all, s, name);
		res = sender ? send_next(s, sender->fd, &to, e) : send_as_other(s, &to, name, e);
		if (res < 0)
			return res;
	}
	return 0;
}

/* --- from the peer -------------------------------------------------------------------------------- */

/* A peer that is gone has left something of ours unread. */
static int reset(struct rsocket *s, struct err *e)
{
	if (s->extra && s->extra->reset && s->other >= 0 &&
	    send(s->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return err_sys(e, "make the error that was still to be reported");
	return 0;
}

int rsocket_fill(struct rsocket *s, struct err *e)
{
	int from = s->other >= 0 ? s->other : is_mutual(s) ? s->peer->fd : -1;

	if (s->sent < s->message_count && from < 0)
		return err_say(e, "nobody can send it the messages that waited in it");
	while (s->sent < s->message_count)
		if (send_next(s, from, NULL, e) < 0)
			return e->code;
	if (reset(s, e) < 0)
		return e->code;
	own_close(&s->other);
	s->other = -1;
	return 0;
}
