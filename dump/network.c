/* The network lock of a dump; see network.h. */
#include "dump/network.h"

#include <assert.h>

#include "dump/guard.h"
#include "dump/ns.h"
#include "lib/log.h"
#include "lib/scripts.h"

enum { LOCKS_MAX = 4 };

struct network {
	struct netlock *locks[LOCKS_MAX]; /* NULL: none */
	size_t lock_count;
	const struct netlock_pair *pairs;
	size_t count;
	const char *left; /* the name of the one that stays */
	bool told;	  /* that it is blocked */
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

static int leave(void *dump, struct err *e)
{
	struct dump *d = dump;
	const struct network *n = d->network;

	return netlock_leave(n->left, n->pairs, n->count, e);
}

int network_leave(struct dump *d, struct err *e)
{
	struct network *n = d->network;
	int pid = ns_is_own(d, NS_NET) ? d->opt->tree : 0;

	if (!network_is_blocked(d) || d->opt->leave_running || d->opt->leave_stopped)
		return 0;
	n->left = pool_format(&d->pool, "CRIU-%s", d->name);
	if (guard_note_lock(d->guard, n->left, pid, e) < 0)
		return e->code;
	return ns_visit(d, NS_NET, leave, d, e);
}

void network_release(struct dump *d)
{
	while (d->network && d->network->lock_count)
		netlock_drop(&d->network->locks[--d->network->lock_count]);
}

int network_tell_locked(void *dump, struct err *e)
{
	struct dump *d = dump;

	if (!ns_nets_differ(d->tasks[0]))
		return 0;
	network_of(d)->told = true;
	return scripts_run(d->opt, "network-lock", d->opt->tree, e);
}

void network_tell_unlocked(void *dump)
{
	struct dump *d = dump;
	struct err later = { 0 };

	if (!d->network || !d->network->told)
		return;
	d->network->told = false;
	if (scripts_run(d->opt, "network-unlock", d->opt->tree, &later) < 0)
		log_warn("%s", later.text);
}
