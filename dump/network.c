/* The network lock of a dump; see network.h. */
#include "dump/network.h"

#include "dump/guard.h"

struct network {
	struct netlock *lock; /* NULL: none */
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
	if (!count || d->opt->network_lock == NETWORK_LOCK_SKIP)
		return 0;
	return netlock_hold(pairs, count, &network_of(d)->lock, e);
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
	if (d->network)
		netlock_drop(&d->network->lock);
}
