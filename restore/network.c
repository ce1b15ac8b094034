/* The end of a restore for connections; see network.h. */
#include "restore/network.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netlock_iptables.h"
#include "lib/repair.h"
#include "restore/fd/inetsk.h"

/* All of the tree that was ours dies with us at once, but the machine may be busy. */
enum { DYING_MS = 5000 };
enum { LOCKED_BY_IPTABLES, LOCKED_BY_NFTABLES }; /* network_lock_method */
enum { NAME_CUT = 21 };				 /* what is left of the id in the name of CRIU's table, up to 4.2 */

struct rnetwork {
	pid_t helper;
	int word;
};

static void remove_table(const char *name, size_t most)
{
	char table[256];
	struct err e = { 0 };

	snprintf(table, sizeof(table), "CRIU-%.*s", (int)most, name);
	if (netlock_remove(table, &e) < 0)
		log_error("%s", e.text);
}

/* Only CRIU leaves them. A connection that is closed here has them, too. */
static void remove_rules(struct restore *r)
{
	const struct rinets *all = r->files->inets;
	struct netlock_pair *pairs = pool_array(&r->pool, struct netlock_pair, all->count + 1);
	struct err e = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].entry->type == SOCK_STREAM && rinet_has_peer(&all->at[i]))
			pairs[count++] = rinet_pair(&all->at[i]);
	if (netlock_iptables_remove(pairs, count, &e) < 0)
		log_error("%s", e.text);
}

int network_block_new(struct restore *r, struct err *e)
{
	const InventoryEntry *inv = r->inventory;
	struct rinets *all = r->files->inets;
	char table[256];

	if (rinets_block(r, e) < 0 || !all || !all->lock)
		return e->code;
	if (inv->dump_criu_run_id)
		snprintf(table, sizeof(table), "CRIU-%s", inv->dump_criu_run_id);
	else
		snprintf(table, sizeof(table), "CRIU-%d", r->tasks[0]->pid);
	return netlock_leave(table, all->pairs, all->pair_count, e);
}

/* Ours, and the one that the dump has left. */
static void unlock(struct restore *r)
{
	const InventoryEntry *inv = r->inventory;
	struct rinets *all = r->files->inets;
	unsigned int method = inv->has_network_lock_method ? inv->network_lock_method :
							     LOCKED_BY_IPTABLES;
	const char *name = inv->dump_criu_run_id;

	if (!all)
		return;
	if (method == LOCKED_BY_IPTABLES)
		remove_rules(r);
	if (!all->lock && method != LOCKED_BY_NFTABLES)
		return;
	netlock_drop(&all->lock);
	if (!name)
		name = pool_format(&r->pool, "%d", r->tasks[0]->pid);
	remove_table(name, strlen(name));
	if (strlen(name) > NAME_CUT)
		remove_table(name, NAME_CUT);
}

/* No more in repair: programs that run could not use them. What they send is dropped until the lock is removed. */
static void leave_repair(struct restore *r)
{
	for (size_t i = 0; i < r->files->inets->count; i++) {
		const struct rinet *s = &r->files->inets->at[i];

		if (s->connected)
			repair_end(s->fd, s->entry->opts->reuseaddr);
	}
}

/* Whoever closes them closes them without a word. */
static void silence(struct restore *r)
{
	for (size_t i = 0; i < r->files->inets->count; i++) {
		const struct rinet *s = &r->files->inets->at[i];
		struct err e = { 0 };

		if (s->connected && repair_begin(s->fd, &e) < 0)
			log_debug("file %u: %s", s->entry->id, e.text);
	}
}

/* The other side is asked where it is, which it would find out by itself only later. */
static void ask_peers(struct restore *r)
{
	for (size_t i = 0; i < r->files->inets->count; i++) {
		const struct rinet *s = &r->files->inets->at[i];
		struct err e = { 0 };

		if (!s->connected || (repair_begin(s->fd, &e) == 0 &&
				      repair_release(s->fd, s->entry->opts->reuseaddr, &e) == 0))
			continue;
		rinet_blame(s, &e);
		log_error("%s", e.text);
	}
}

static bool is_gone(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int res;

	while ((res = poll(&end, 1, DYING_MS)) < 0 && errno == EINTR)
		;
	return res > 0;
}

static void help(struct restore *r, int word, int root)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (read(word, &c, 1) == 1) {
		unlock(r);
		ask_peers(r);
	} else if (is_gone(root)) {
		silence(r);
	} else {
		unlock(r);
	}
	_exit(0);
}

static bool has_connections(const struct restore *r)
{
	const struct rinets *all = r->files->inets;

	for (size_t i = 0; all && i < all->count; i++)
		if (all->at[i].connected)
			return true;
	return all && all->waiting_count;
}

int network_prepare(struct restore *r, struct err *e)
{
	struct rnetwork *n;
	int ends[2];

	if (!has_connections(r))
		return 0;
	own_fd root = syscall(SYS_pidfd_open, rtask_here(r->tasks[0]), 0);
	if (root < 0)
		return err_sys(e, "pidfd_open of pid %d", r->tasks[0]->pid);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(e, "make a pair of sockets");
	own_fd hear = ends[0];
	own_fd tell = ends[1];
	n = pool_new(&r->pool, struct rnetwork);
	n->helper = fork();
	if (n->helper < 0)
		return err_sys(e, "fork");
	if (n->helper == 0) {
		close(tell);
		help(r, hear, root);
	}
	n->word = take_fd(&tell);
	r->files->network = n;
	leave_repair(r);
	if (rinets_fill_waiting(r->files->inets, e) == 0)
		return 0;
	network_undo(r);
	return e->code;
}

static void await(struct rnetwork *n)
{
	own_close(&n->word);
	while (waitpid(n->helper, NULL, 0) < 0 && errno == EINTR)
		;
}

void network_undo(struct restore *r)
{
	struct rnetwork *n = r->files ? r->files->network : NULL;

	if (!n)
		return;
	silence(r);
	kill(n->helper, SIGKILL);
	await(n);
	r->files->network = NULL;
}

void network_go(struct restore *r)
{
	struct rnetwork *n = r->files->network;

	if (!n) {
		unlock(r);
		return;
	}
	/* Somebody who has ended the helper leaves it to us. */
	if (send(n->word, "", 1, MSG_NOSIGNAL) < 0)
		unlock(r);
	await(n);
	r->files->network = NULL;
}
