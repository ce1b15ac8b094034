/* UNIX sockets that were made together, by socketpair(2), whose maker
 * SO_PEERCRED tells. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "restore/fd/unixsk.h"

enum { BATCH = 1024, BEING_MADE = INT_MAX };

struct pairing {
	int type;
	int *ends; /* shared with who makes the call */
};

static int call_pair(void *arg)
{
	const struct pairing *p = arg;

	return socketpair(AF_UNIX, p->type | SOCK_CLOEXEC, 0, p->ends) < 0 ? -errno : 0;
}

static bool is_mutual(const struct rsocket *s)
{
	return s->peer && s->peer->peer == s;
}

/* Whether the two were made together. */
static bool is_pair(const struct rsocket *s)
{
	const struct rsocket *p = s->peer;

	if (!rsocket_is_connected(s) || s->accepted)
		return false;
	/* CRIU's images have the state of a datagram socket that others have
   * connected to, as if it were its own. */
	if (!p && !s->extra && !rsocket_is_stream(s) && s->entry->name.len)
		return false;
	if (!p) /* who had connected to a name may still ask for it */
		return !s->extra || !s->extra->peer_name.len;
	if (p->stands_for || p->inherited || p->fd >= 0 || p->accepted || rsocket_listens(p))
		return false;
	if (rsocket_is_stream(s))
		return true;
	return !p->entry->name.len || (is_mutual(s) && (!s->entry->name.len || rsocket_cred_of(s)));
}

/*
 * Pairs that one process has made, together: to make a process takes a hundred
 * times as long as to make a pair, and longer the more memory we have.
 */
struct batch {
	struct rsocket *at[BATCH];
	int *ends; /* two for each, shared with who makes the calls */
	size_t count;
};

static int call_pairs(void *arg)
{
	const struct batch *b = arg;

	for (size_t i = 0; i < b->count; i++) {
		const struct pairing p = { b->at[i]->entry->type, b->ends + 2 * i };
		int res = call_pair((void *)&p);

		if (res < 0)
			return res;
	}
	return 0;
}

static bool is_same_cred(const UnixCred *a, const UnixCred *b)
{
	if (!a || !b)
		return a == b;
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid &&
	       a->n_groups == b->n_groups &&
	       (!a->n_groups ||
		memcmp(a->groups, b->groups, a->n_groups * sizeof(*a->groups)) == 0);
}

static void set_pair(struct rsocket *s, const int ends[2])
{
	s->fd = ends[0];
	if (s->peer)
		s->peer->fd = ends[1];
	else
		s->other = ends[1];
}

static int make_batch(struct batch *b, struct err *e)
{
	struct rsocket *s = b->at[0];
	size_t used, count = b->count;
	int res;

	if (!count)
		return 0;
	used = s->r->arena.used;
	b->ends = arena_alloc(&s->r->arena, 2 * count * sizeof(int));
	if (!b->ends)
		return err_code(e, ENOMEM, "no room for pairs of sockets");
	memset(b->ends, -1, 2 * count * sizeof(int));
	res = rsocket_act(s, rsocket_cred_of(s), call_pairs, b);
	for (size_t i = 0; i < count; i++)
		set_pair(b->at[i], b->ends + 2 * i);
	s->r->arena.used = used;
	b->count = 0;
	return res < 0 ? err_res(e, res, "make a pair of sockets") : 0;
}

int rsockets_make_pairs(struct rsockets *all, struct err *e)
{
	struct batch *b = pool_new(&all->at->r->pool, struct batch);

	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (s->inherited || s->stands_for || s->fd >= 0 || !is_pair(s))
			continue;
		if ((b->count == BATCH ||
		     (b->count && !is_same_cred(rsocket_cred_of(s), rsocket_cred_of(b->at[0])))) &&
		    make_batch(b, e) < 0)
			return rsocket_blame(s, e);
		b->at[b->count++] = s;
		s->fd = BEING_MADE;
		if (s->peer)
			s->peer->fd = BEING_MADE;
	}
	return b->count && make_batch(b, e) < 0 ? rsocket_blame(b->at[0], e) : 0;
}
