/* The network lock of a dump; see network.h. */
#include "dump/network.h"

#include <assert.h>

#include "dump/guard.h"

enum { LOCKS_MAX = 4 };

struct network {
	struct netlock *locks[LOCKS_MAX]; /* NULL: none */
	size_t lock_count;
	const struct netlock_pair *pairs;
	size_t count;
};

static struct network *network_of(struct dump *d)
{
	if (!d->network)
		d->network = pool_new(&d->pool, struct network);
	return d->network;
}

int network_block(struct dump *d, const struct netlock_pair *pairs, size_t count, struct err *e)
{
	struct network *n = network_of(d);

	if (!count || d->opt->network_lock == NETWORK_LOCK_SKIP)
		return 0;
	assert(n->lock_count < LOCKS_MAX);
	if (netlock_hold(pairs, count, &n->locks[n->lock_count], e) < 0)
		return e->code;
	n->lock_count++;
	return 0;
}

void network_carries(struct dump *d, const struct netlock_pair *pairs, size_t count)
{
	struct network *n = network_of(d);

	n->pairs = pairs;
	n->count = count;
}

bool network_is_blocked(const struct dump *d)
{
	return d->network && d->network->count && d->opt->network_lock != NETWORK_LOCK_SKIP;
}

int network_leave(struct dump *d, struct err *e)
{
	const struct network *n = d->network;
	const char *table;

	if (!network_is_blocked(d) || d->opt->leave_running || d->opt->leave_stopped)
		return 0;
	table = pool_format(&d->pool, "CRIU-%s", d->name);
	if (guard_note_lock(d->guard, table, e) < 0)
		return e->code;
	return netlock_leave(table, n->pairs, n->count, e);
}

void network_release(struct dump *d)
{
	while (d->network && d->network->lock_count)
		netlock_drop(&d->network->locks[--d->network->lock_count]);
}
