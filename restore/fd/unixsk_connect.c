/*
 * UNIX sockets get their peers. The kernel notes at socketpair(2), listen(2) and connect(2) who calls (SO_PEERCRED), so these
 * are called by processes of those numbers and ids (restore/actor.h).
 *
 * - Two ends without a name between them are a pair.
 * - An end that was accepted has the name of the socket that listened: it connects to that one again, or to one in its place if
 *   it is gone.
 * - A peer that is gone is there until its data is in (s->other).
 * - Datagram sockets connect to names; one whose peer has none was made with it as a pair.
 *
 * Sockets in the place of listening ones come first: later, another one may have the name.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "images/task/creds.pb-c.h"
#include "lib/log.h"
#include "lib/netlink.h"
#include "restore/fd/unixsk.h"
#include "restore/ns.h"
#include "restore/user_ns.h"

enum { MANY = 4096 };

void rsocket_actor(const struct restore *r, struct actor *ret, const UnixCred *cred)
{
	*ret = (struct actor){ .root = -1 };
	if (!cred)
		return;
	/* Nobody can be born into a pid namespace before its first process. */
	ret->pid = rns_is_own(r, NS_PID) ? 0 : cred->pid;
	ret->has_ids = cred->uid != UINT32_MAX;
	ret->uid = cred->uid;
	ret->gid = cred->gid;
	ret->groups = cred->groups;
	ret->group_count = cred->n_groups;
}

int rsocket_act(const struct rsocket *s, const UnixCred *cred, int (*call)(void *), void *arg)
{
	struct actor actor;
	bool other = false;
	int res;

	rsocket_actor(s->r, &actor, cred);
	/* Nothing is noted that would have to be somebody's. */
	if (!cred)
		return call(arg);
	res = actor_do(&actor, call, arg, &other);
	if (other)
		log_warn(
			"socket:[%u]: another process has the number %d of its peer, so SO_PEERCRED "
			"tells one that is gone",
			s->entry->ino, actor.pid);
	return res;
}

int rsocket_new(const struct rsocket *like, int *ret_fd, struct err *e)
{
	*ret_fd = socket(AF_UNIX, like->entry->type | SOCK_CLOEXEC, 0);
	return *ret_fd < 0 ? err_sys(e, "make a socket") : 0;
}

/* --- the calls ---------------------------------------------------------------------------------- */

struct meeting {
	int fd, backlog;
	struct unix_address address;
};

static int call_listen(void *arg)
{
	const struct meeting *m = arg;

	return listen(m->fd, m->backlog) < 0 ? -errno : 0;
}

static int call_connect(void *arg)
{
	const struct meeting *m = arg;

	return connect(m->fd, &m->address.any, m->address.size) < 0 ? -errno : 0;
}

static int listen_as(const struct rsocket *s, int fd, const UnixCred *cred, int backlog,
		     struct err *e)
{
	struct meeting m = { .fd = fd, .backlog = backlog };
	int res = rsocket_act(s, cred, call_listen, &m);

	return res < 0 ? err_res(e, res, "listen") : 0;
}

/* to: a socket of ours that listens or has a name. */
static int connect_as(const struct rsocket *s, int fd, const UnixCred *cred, int to, struct err *e)
{
	struct meeting m = { .fd = fd };
	own_fd hold = -1;
	int res;

	if (rsocket_address(to, &m.address, &hold, e) < 0)
		return e->code;
	res = rsocket_act(s, cred, call_connect, &m);
	return res < 0 ? err_res(e, res, "connect it") : 0;
}

/* Behind the pairs: one that has connected to others since may have been made as one. */
static int make_alone(struct rsocket *s, struct err *e)
{
	return s->fd < 0 && !s->accepted ? rsocket_new(s, &s->fd, e) : 0;
}

/* --- through sockets that listen ------------------------------------------------------------------ */

static int inode_of(int fd, uint32_t *ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat a socket");
	*ret = st.st_ino;
	return 0;
}

/* Somebody outside may be quicker than we, where the name can be seen already: that one has to come again. */
static int accept_from(int listening, int client, int *ret_fd, struct err *e)
{
	struct netlink_unix state;
	uint32_t inode = 0, wanted = 0;

	if (inode_of(client, &wanted, e) < 0)
		return e->code;
	for (;;) {
		own_fd fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return err_sys(e, "accept its connection");
		if (inode_of(fd, &inode, e) < 0)
			return e->code;
		if (netlink_unix_state(inode, &state) < 0 || state.peer == wanted) {
			free(state.waiting);
			*ret_fd = take_fd(&fd);
			return 0;
		}
		free(state.waiting);
	}
}

/* One that is gone, under a name that others may have by now. */
static int stand_in(const struct rsocket *s, const ProtobufCBinaryData *name, int *ret_fd,
		    struct err *e)
{
	own_fd fd = -1;
	int got;

	if (rsocket_new(s, &got, e) < 0)
		return e->code;
	fd = got;
	if (rsocket_bind_hidden(s->r, fd, name, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

/* The two ends of a connection; where one is NULL, it is gone. */
struct ends {
	struct rsocket *client, *accepted;
};

static int meet(const struct ends *c, int listening, struct err *e)
{
	struct rsocket *any = c->client ? c->client : c->accepted;
	int *client = c->client ? &c->client->fd : &c->accepted->other;
	int *accepted = c->accepted ? &c->accepted->fd : &c->client->other;

	if (*client < 0 && rsocket_new(any, client, e) < 0)
		return e->code;
	if (c->client && rsocket_bind(c->client, e) < 0)
		return e->code;
	if (listen_as(any, listening, c->client ? rsocket_cred_of(c->client) : NULL, MANY, e) < 0 ||
	    connect_as(any, *client, c->accepted ? rsocket_cred_of(c->accepted) : NULL, listening,
		       e) < 0)
		return e->code;
	return accept_from(listening, *client, accepted, e);
}

static struct rsocket *listener_named(struct rsockets *all, const struct rsocket *s,
				      const ProtobufCBinaryData *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (rsocket_listens(&all->at[i]) && all->at[i].entry->type == s->entry->type &&
		    rsocket_same_name(&all->at[i].entry->name, name))
			return &all->at[i];
	return NULL;
}

/* Whether this one stands for its connection, and which socket listened, NULL: one that is gone. */
static bool find_ends(struct rsockets *all, struct rsocket *s, struct ends *ret,
		      struct rsocket **ret_listener)
{
	if (!rsocket_is_stream(s) || !rsocket_is_connected(s) || s->inherited || s->stands_for)
		return false;
	if (s->accepted) {
		*ret = (struct ends){ s->peer && !s->peer->inherited ? s->peer : NULL, s };
		*ret_listener = rsocket_listens(s->name_of) ? s->name_of : NULL;
		return true;
	}
	if (s->peer || !s->extra || !s->extra->peer_name.len || rsocket_is_logging(s))
		return false;
	*ret = (struct ends){ s, NULL };
	*ret_listener = listener_named(all, s, &s->extra->peer_name);
	return true;
}

/* early: those whose listening socket is gone. */
static int meet_all(struct rsockets *all, bool early, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i], *listener = NULL;
		own_fd stand = -1;
		struct ends ends;
		int fd = -1;

		if (!find_ends(all, s, &ends, &listener) || early != !listener)
			continue;
		if (!listener &&
		    stand_in(s, s->accepted ? &s->entry->name : &s->extra->peer_name, &fd, e) < 0)
			return rsocket_blame(s, e);
		stand = fd;
		if (meet(&ends, listener ? listener->fd : fd, e) < 0)
			return rsocket_blame(s, e);
	}
	return 0;
}

/* Whoever accepts it will see who has connected: the owner of the descriptor, as far as we know. */
static void waiting_actor(const struct rsocket *c, UnixCred *ret)
{
	const struct rtask *t = rfiles_find(c->r, c->entry->id)->owner;
	const CredsEntry *creds =
		t && t->core && t->core->thread_core ? t->core->thread_core->creds : NULL;

	unix_cred__init(ret);
	ret->pid = t ? t->pid : 0;
	if (!creds)
		return;
	ret->uid = ruser_outside(c->r, creds->euid, false);
	ret->gid = ruser_outside(c->r, creds->egid, true);
	ret->groups = pool_array(&c->r->pool, uint32_t, creds->n_groups + 1);
	for (size_t i = 0; i < creds->n_groups; i++) {
		uint32_t group = ruser_outside(c->r, creds->groups[i], true);

		if (group != UINT32_MAX)
			ret->groups[ret->n_groups++] = group;
	}
}

static int connect_waiting(struct rsocket *s, struct rsocket *c, struct err *e)
{
	UnixCred who;

	waiting_actor(c, &who);
	if (listen_as(s, s->fd, rsocket_cred_of(c), MANY, e) < 0)
		return e->code;
	return connect_as(c, c->fd, &who, s->fd, e);
}

static bool is_waiting_for(const struct rsocket *c, const struct rsocket *s)
{
	return c->peer == s && c->fd >= 0 && rsocket_is_connected(c) && rsocket_is_stream(c) &&
	       !c->inherited;
}

/* CRIU's images have no order. */
static int connect_all_waiting(struct rsockets *all, struct rsocket *s, struct err *e)
{
	size_t known = s->extra ? s->extra->n_waiting : 0;

	for (size_t i = 0; i < known; i++) {
		struct rsocket *c = rsockets_find_id(all, s->extra->waiting[i]);

		if (c && is_waiting_for(c, s) && connect_waiting(s, c, e) < 0)
			return rsocket_blame(c, e);
	}
	for (size_t i = 0; i < all->count && !known; i++)
		if (is_waiting_for(&all->at[i], s) && connect_waiting(s, &all->at[i], e) < 0)
			return rsocket_blame(&all->at[i], e);
	return 0;
}

/* The last call of listen(2) is the one that counts, for who may wait and for whom others see. */
static int listen_all(struct rsockets *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (!rsocket_listens(s) || s->inherited)
			continue;
		if (connect_all_waiting(all, s, e) < 0)
			return e->code;
		if (listen_as(s, s->fd, rsocket_cred_of(s), s->entry->backlog, e) < 0)
			return rsocket_blame(s, e);
	}
	return 0;
}

/* --- datagrams ------------------------------------------------------------------------------------ */

static int connect_outside(struct rsocket *s, struct err *e)
{
	struct unix_address address;

	rsocket_set_address(&address, &s->peer->entry->name);
	if (connect(s->fd, &address.any, address.size) == 0)
		return 0;
	err_sys(e, "connect it to its peer outside of the tree");
	return err_hint(e,
			"start what listened there, or give a socket with --inherit-fd "
			"'fd[N]:socket:[%u]'",
			s->entry->ino);
}

/* A peer that is gone had a name. */
static int connect_gone(struct rsocket *s, struct err *e)
{
	if (!s->extra || !s->extra->peer_name.len || s->other >= 0)
		return 0;
	if (stand_in(s, &s->extra->peer_name, &s->other, e) < 0)
		return e->code;
	return connect_as(s, s->fd, NULL, s->other, e);
}

static int connect_datagram(struct rsocket *s, struct err *e)
{
	struct netlink_unix state;
	uint32_t inode = 0, wanted = 0;

	if (!s->peer)
		return connect_gone(s, e);
	if (s->peer->stands_for)
		return connect_outside(s, e);
	/* One end of a pair has its peer already. */
	if (inode_of(s->fd, &inode, e) < 0 || inode_of(s->peer->fd, &wanted, e) < 0)
		return e->code;
	if (netlink_unix_state(inode, &state) == 0 && state.peer == wanted)
		return 0;
	return connect_as(s, s->fd, NULL, s->peer->fd, e);
}

static int connect_datagrams(struct rsockets *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (s->entry->type == SOCK_DGRAM && rsocket_is_connected(s) && !s->inherited &&
		    !s->stands_for && connect_datagram(s, e) < 0)
			return rsocket_blame(s, e);
	}
	return 0;
}

/* By whom it belongs to: a log notes who has connected. */
static int connect_log(struct rsocket *s, struct err *e)
{
	const ProtobufCBinaryData *greeting = s->extra ? &s->extra->greeting : NULL;
	struct meeting m = { .fd = s->fd };
	UnixCred who;
	int res;

	if (!rsocket_is_logging(s))
		return 0;
	waiting_actor(s, &who);
	rsocket_set_address(&m.address, &s->extra->peer_name);
	res = rsocket_act(s, &who, call_connect, &m);
	if (res == 0 && greeting->len &&
	    send(s->fd, greeting->data, greeting->len, MSG_NOSIGNAL) != (ssize_t)greeting->len)
		res = -errno;
	if (res == 0)
		return 0;
	err_res(e, res, "connect it to the log of this machine, '%.*s'",
		(int)s->extra->peer_name.len, s->extra->peer_name.data);
	return err_hint(e,
			"start what listens there, or give a socket with --inherit-fd "
			"'fd[N]:socket:[%u]'",
			s->entry->ino);
}

static int for_all(struct rsockets *all, int (*part)(struct rsocket *, struct err *), struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (!s->inherited && !s->stands_for && part(s, e) < 0)
			return rsocket_blame(s, e);
	}
	return 0;
}

int rsockets_connect(struct rsockets *all, struct err *e)
{
	if ((all->count && rsockets_make_pairs(all, e) < 0) || for_all(all, make_alone, e) < 0 ||
	    meet_all(all, true, e) < 0 || for_all(all, rsocket_bind, e) < 0)
		return e->code;
	for (size_t i = 0; i < all->count; i++)
		if (!all->at[i].inherited && rsocket_fill_early(all, &all->at[i], e) < 0)
			return rsocket_blame(&all->at[i], e);
	if (meet_all(all, false, e) < 0 || listen_all(all, e) < 0 ||
	    connect_datagrams(all, e) < 0 || for_all(all, connect_log, e) < 0)
		return e->code;
	return for_all(all, rsocket_open_file, e);
}
