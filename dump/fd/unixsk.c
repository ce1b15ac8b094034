/*
 * UNIX sockets. What a copy of the descriptor does not tell (the peer, what was shut down, who waits to be accepted) sock_diag
 * does, by inode. dump/fd/unixsk_name.c looks at names, dump/fd/unixsk_queue.c at messages.
 *
 * A connection that was not accepted yet has no inode at the other end: the list of those who wait in a listening socket says
 * whose it is. What its client has sent can be read by nobody but the one who accepts it.
 */
#include "dump/fd/unixsk.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dump/files_table.h"
#include "dump/ns.h"
#include "dump/sk_opts.h"
#include "lib/io.h"

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

enum { OUTSIDE = 1, GROUPS_MAX = 65536 };

extern const struct fd_kind unixsk_fd_kind;

/* Options without a field in CRIU's message, and what they are in a new socket. */
static const struct {
	int name, usual;
} options[] = {
	{ SO_DEBUG, 0 },
	{ SO_TIMESTAMP, 0 },
	{ SO_TIMESTAMPNS, 0 },
	{ SO_TIMESTAMPING, 0 },
	{ SO_TIMESTAMP_NEW, 0 },
	{ SO_TIMESTAMPNS_NEW, 0 },
	{ SO_TIMESTAMPING_NEW, 0 },
	{ SO_PASSPIDFD, 0 },
	{ SO_PASSRIGHTS, 1 },
	{ SO_PEEK_OFF, -1 },
	{ SO_LOCK_FILTER, 0 },
};

struct unixsk *unixsk_of(const struct file *f)
{
	return f->note;
}

static bool is_connected(const struct unixsk *s)
{
	return s->entry->state == TCP_ESTABLISHED && s->entry->type != SOCK_DGRAM;
}

static bool unixsk_match(const struct file *f)
{
	socklen_t size = sizeof(int);
	int family = 0;

	return S_ISSOCK(f->st.st_mode) && strncmp(f->link, "socket:[", 8) == 0 &&
	       getsockopt(f->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

/* What the kernel says about it from outside. */
static int read_state(struct unixsk *s, struct err *e)
{
	struct pool *pool = &s->file->dump->pool;
	uint32_t *waiting;

	if (unixsk_ask(s->file->dump->files, s->file->st.st_ino, &s->state) < 0) {
		err_code(e, ENOTSUP,
			 "sock_diag does not know socket %lu: it is of another network namespace",
			 s->file->st.st_ino);
		return err_hint(e, "run stasis in that one");
	}
	waiting = s->state.waiting;
	if (waiting)
		s->state.waiting =
			pool_copy(pool, waiting, s->state.waiting_count * sizeof(uint32_t));
	free(waiting);
	return 0;
}

static int look_for_trouble(struct unixsk *s, int fd, struct err *e)
{
	struct pollfd look = { .fd = fd, .events = POLLIN | POLLPRI };

	if (poll(&look, 1, 0) < 0)
		return err_sys(e, "poll");
	s->error = look.revents & POLLERR;
	if (look.revents & POLLPRI) {
		err_code(e, ENOTSUP, "an out-of-band byte waits in it, which is not supported");
		return err_hint(e, "let the program read it before the dump");
	}
	if (!s->error || s->entry->type == SOCK_STREAM)
		return 0;
	/* To read a message, even without taking it, would report and so clear the error. */
	if (s->entry->type == SOCK_SEQPACKET && !s->state.unread)
		return 0;
	err_code(e, ENOTSUP, "an error waits to be reported to it, which is not supported");
	return err_hint(e, "let the program use the socket before the dump");
}

static int read_groups(struct unixsk *s, int fd, UnixCred *cred, struct err *e)
{
	socklen_t size = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		return 0;
	if (size > GROUPS_MAX * sizeof(gid_t))
		return err_say(e, "it has the groups of a peer with %u bytes of them", size);
	cred->groups = pool_alloc(&s->file->dump->pool, size);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, cred->groups, &size) < 0)
		return err_sys(e, "ask for its peer's groups");
	cred->n_groups = size / sizeof(gid_t);
	return 0;
}

/* A socket that was never connected and does not listen has nobody's. */
static int read_peer(struct unixsk *s, int fd, struct err *e)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);
	UnixCred *cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return err_sys(e, "ask for its peer");
	if (!who.pid && who.uid == (uid_t)-1)
		return 0;
	cred = pool_new(&s->file->dump->pool, UnixCred);
	unix_cred__init(cred);
	cred->pid = ns_pid_inside(s->file->dump, who.pid);
	cred->uid = who.uid;
	cred->gid = who.gid;
	s->extra->peer = cred;
	s->has_extra = true;
	return read_groups(s, fd, cred, e);
}

static void read_options(struct unixsk *s, int fd)
{
	struct pool *pool = &s->file->dump->pool;

	s->extra->options = pool_array(pool, UnixOption *, ARRAY_SIZE(options));
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		struct err unknown = { 0 };
		UnixOption *o;
		int value;

		/* What this kernel does not know cannot have been set. */
		if (sk_opts_number(fd, options[i].name, &value, &unknown) < 0 ||
		    value == options[i].usual)
			continue;
		o = pool_new(pool, UnixOption);
		unix_option__init(o);
		o->name = options[i].name;
		o->value = value;
		s->extra->options[s->extra->n_options++] = o;
		s->has_extra = true;
	}
}

/* What fstat(2) tells of the socket itself. */
static void read_owner(struct unixsk *s)
{
	const struct stat *st = &s->file->st;
	UnixExtraEntry *x = s->extra;

	if (st->st_mode == (S_IFSOCK | 0777) && !st->st_uid && !st->st_gid)
		return;
	x->has_uid = x->has_gid = x->has_mode = 1;
	x->uid = st->st_uid;
	x->gid = st->st_gid;
	x->mode = st->st_mode;
	s->has_extra = true;
}

static struct unixsk *unixsk_new(struct file *f, FileEntry *entry)
{
	struct pool *pool = &f->dump->pool;
	struct unixsk *s = pool_new(pool, struct unixsk);

	s->file = f;
	s->entry = entry->usk = pool_new(pool, UnixSkEntry);
	s->extra = pool_new(pool, UnixExtraEntry);
	unix_sk_entry__init(s->entry);
	unix_extra_entry__init(s->extra);
	f->note = s;
	return s;
}

static int unixsk_dump(struct file *f, FileEntry *entry, struct err *e)
{
	struct unixsk *s = unixsk_new(f, entry);
	UnixSkEntry *sk = s->entry;

	if (read_state(s, e) < 0)
		return e->code;
	s->extra->id = sk->id = f->id;
	sk->ino = f->st.st_ino;
	sk->type = s->state.type;
	sk->state = s->state.state;
	/* One that others have connected to counts as connected, too. */
	if (sk->type == SOCK_DGRAM && !s->state.has_peer)
		sk->state = TCP_CLOSE;
	sk->flags = f->flags;
	sk->backlog = s->state.unsent;
	sk->peer = s->state.peer;
	sk->fown = f->fown;
	sk->has_ns_id = ns_of_sockets(f->dump, &sk->ns_id);
	sk->shutdown = s->state.shutdown & SK_SHUTDOWN__BOTH;
	sk->has_shutdown = sk->shutdown != SK_SHUTDOWN__NONE;
	if (look_for_trouble(s, f->fd, e) < 0 || sk_opts_read(f->dump, f->fd, &sk->opts, e) < 0 ||
	    unixsk_read_name(s, f->fd, e) < 0)
		return e->code;
	read_options(s, f->fd);
	read_owner(s);
	if (read_peer(s, f->fd, e) < 0)
		return e->code;
	return sk->state == TCP_LISTEN ? 0 : unixsk_save_queue(s, f->fd, e);
}

/* --- when all are known ------------------------------------------------------------------------ */

static int by_inode(const void *va, const void *vb)
{
	const struct unixsk *a = *(struct unixsk *const *)va, *b = *(struct unixsk *const *)vb;

	return a->entry->ino < b->entry->ino ? -1 : a->entry->ino > b->entry->ino;
}

struct sockets {
	struct dump *d;
	struct unixsk **at; /* ascending by inode */
	size_t count;
};

static int list(struct sockets *all, struct err *e)
{
	for (struct file *f = NULL; (f = files_next(all->d, &unixsk_fd_kind, f));) {
		if (io_grow(&all->at, all->count, sizeof(*all->at), e) < 0)
			return e->code;
		all->at[all->count++] = unixsk_of(f);
	}
	if (all->count)
		qsort(all->at, all->count, sizeof(*all->at), by_inode);
	return 0;
}

static struct unixsk *find(const struct sockets *all, uint32_t inode)
{
	UnixSkEntry entry = { .ino = inode };
	struct unixsk key = { .entry = &entry }, *at = &key, **found;

	found = all->count && inode ?
			bsearch(&at, all->at, all->count, sizeof(*all->at), by_inode) :
			NULL;
	return found ? *found : NULL;
}

/* Those who wait become peers of the listening socket, as CRIU has it. */
static int find_waiting(const struct sockets *all, struct unixsk *s, struct err *e)
{
	struct netlink_unix *state = &s->state;

	if (!state->waiting_count)
		return 0;
	s->extra->waiting = pool_array(&all->d->pool, uint32_t, state->waiting_count);
	s->has_extra = true;
	for (size_t i = 0; i < state->waiting_count; i++) {
		struct unixsk *c = find(all, state->waiting[i]);

		if (!c || c->state.unsent) {
			err_code(e, ENOTSUP,
				 "a connection that was not accepted yet waits in it, %s",
				 !c ? "by a process that is gone or outside of the tree" :
				      "with data that nobody can read before");
			return err_hint(e, "let the program accept it before the dump");
		}
		c->entry->peer = s->entry->ino;
		s->extra->waiting[s->extra->n_waiting++] = c->entry->id;
	}
	return 0;
}

static bool may_be_outside(const struct unixsk *s)
{
	const struct options *opt = s->file->dump->opt;
	char text[32];

	snprintf(text, sizeof(text), "unix[%u]", s->entry->ino);
	if (options_external(opt, text, NULL))
		return true;
	snprintf(text, sizeof(text), "unix[%u]", s->entry->peer);
	if (s->entry->peer && options_external(opt, text, NULL))
		return true;
	return opt->ext_unix_sk && s->entry->type == SOCK_DGRAM;
}

/* For a datagram socket with a named peer the peer has an entry of its own, by which it is found again. */
static int add_outside(const struct sockets *all, struct unixsk *s, struct err *e)
{
	FileEntry *entry = pool_new(&all->d->pool, FileEntry);
	UnixSkEntry *sk = pool_new(&all->d->pool, UnixSkEntry);
	SkOptsEntry *opts = pool_new(&all->d->pool, SkOptsEntry);

	s->has_extra = true;
	s->extra->has_outside = s->extra->outside = 1;
	if (s->entry->type != SOCK_DGRAM || !s->extra->peer_name.len) {
		s->entry->uflags |= OUTSIDE;
		return 0;
	}
	file_entry__init(entry);
	unix_sk_entry__init(sk);
	sk_opts_entry__init(opts);
	entry->type = FD_TYPES__UNIXSK;
	entry->id = sk->id = files_new_id(all->d);
	entry->usk = sk;
	sk->ino = s->entry->peer;
	sk->type = SOCK_DGRAM;
	sk->state = TCP_CLOSE;
	sk->uflags = OUTSIDE;
	sk->fown = all->d->files->no_owner;
	sk->opts = opts;
	sk->name = s->extra->peer_name;
	return files_put(all->d->files, entry, e);
}

/* Connected, and to nobody of the tree. */
static int check_outside(const struct sockets *all, struct unixsk *s, struct err *e)
{
	/* The end of the other side shuts both ways, here. */
	bool waits = is_connected(s) && s->entry->shutdown != SK_SHUTDOWN__BOTH;

	if (find(all, s->entry->peer) || (!s->entry->peer && !waits))
		return 0;
	if (may_be_outside(s))
		return add_outside(all, s, e);
	if (!s->file->dump->opt->reconnect_logs || !unixsk_is_log(s))
		return unixsk_refuse_outside(s, e);
	return add_outside(all, s, e) < 0 ? e->code : unixsk_reconnect_log(s, e);
}

/* The error of a stream can only be that its peer has left with data unread. */
static int check(const struct sockets *all, struct unixsk *s, struct err *e)
{
	if (s->error) {
		s->has_extra = true;
		s->extra->has_reset = s->extra->reset = 1;
	}
	if (s->entry->state == TCP_LISTEN)
		return 0;
	/* A peer that can be asked tells its name itself. */
	if (check_outside(all, s, e) < 0)
		return e->code;
	if (find(all, s->entry->peer))
		s->extra->has_peer_name = 0;
	if (s->extra->has_peer_name)
		s->has_extra = true;
	return 0;
}

/* The list has a place for every message; it says something when one of them came from somebody with a name. */
static void drop_plain_senders(struct unixsk *s)
{
	for (size_t i = 0; i < s->extra->n_from; i++)
		if (s->extra->from[i]->has_name || s->extra->from[i]->cred)
			return;
	s->extra->n_from = 0;
}

static int save_extra(const struct sockets *all, struct err *e)
{
	own_image img = {};

	for (size_t i = 0; i < all->count; i++) {
		struct unixsk *s = all->at[i];

		drop_plain_senders(s);
		if (!s->has_extra)
			continue;
		if (!img.file && image_create(&img, all->d->images, IMG_UNIX_EXTRA, 0, e) < 0)
			return e->code;
		if (image_write(&img, s->extra, e) < 0)
			return e->code;
	}
	return image_close(&img, e);
}

/* Kinds that are whole when they are made: nothing has to be done to them by somebody who has them. */
static const FdTypes whole[] = {
	FD_TYPES__REG,	    FD_TYPES__PIPE,	FD_TYPES__FIFO,	  FD_TYPES__MEMFD,
	FD_TYPES__EVENTFD,  FD_TYPES__SIGNALFD, FD_TYPES__UNIXSK, FD_TYPES__INOTIFY,
	FD_TYPES__FANOTIFY, FD_TYPES__PIDFD,	FD_TYPES__NS,
};

/* Messages are put back before the tree is there. */
static int check_tree(const struct file *f, struct err *e)
{
	const PidfdEntry *p = f->entry->pidfd;
	const RegFileEntry *reg = f->entry->reg;
	int pid = p ? p->nspid : -1;

	if ((!p && (!reg || sscanf(reg->name, "/proc/%d", &pid) != 1)) ||
	    !files_has_thread(f->dump, pid))
		return 0;
	err_code(
		e, ENOTSUP,
		"a descriptor (%s) waits in a message for it, which is of pid %d of the tree itself; "
		"that is not supported",
		f->kind->name + 3, pid);
	return err_hint(e, "let the program receive it before the dump");
}

/* Descriptors that are on their way, and that nobody else has. */
static int check_sent(const struct unixsk *s, struct err *e)
{
	for (size_t i = 0; i < s->sent_count; i++) {
		const struct file *f = s->sent[i];
		bool good = f->num >= 0;

		if (check_tree(f, e) < 0)
			return e->code;
		for (size_t k = 0; k < ARRAY_SIZE(whole); k++)
			good |= f->kind->type == whole[k] && !(f->flags & O_ASYNC) &&
				!strstr(f->fdinfo, "\nlock:");
		if (good)
			continue;
		err_code(e, ENOTSUP,
			 "a descriptor (%s) waits in a message for it, which nobody has "
			 "besides; that is not supported for its kind",
			 f->kind->name + 3);
		return err_hint(e, "let the program receive it before the dump");
	}
	return 0;
}

static int save_all(struct sockets *all, struct err *e)
{
	if (list(all, e) < 0)
		return e->code;
	for (size_t i = 0; i < all->count; i++)
		if (find_waiting(all, all->at[i], e) < 0)
			return files_blame(all->at[i]->file, e);
	for (size_t i = 0; i < all->count; i++)
		if (check(all, all->at[i], e) < 0)
			return files_blame(all->at[i]->file, e);
	for (size_t i = 0; i < all->count; i++)
		if (check_sent(all->at[i], e) < 0)
			return files_blame(all->at[i]->file, e);
	if (all->d->files->queues && image_close(all->d->files->queues, e) < 0)
		return e->code;
	return save_extra(all, e);
}

static int unixsk_finish(struct dump *d, struct err *e)
{
	struct sockets all = { .d = d };
	int r = save_all(&all, e);

	free(all.at);
	return r;
}

const struct fd_kind unixsk_fd_kind = {
	.name = "fd/unixsk",
	.type = FD_TYPES__UNIXSK,
	.match = unixsk_match,
	.dump = unixsk_dump,
	.finish = unixsk_finish,
};
