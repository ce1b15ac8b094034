/*
 * Network locks; see netlock.h. What comes in is dropped behind address translation, what goes out before it, so that the
 * addresses are those of the socket.
 */
#include "lib/netlock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/kernel_probes.h"
#include "lib/own.h"

struct netlock {
	struct nft_ctx *context; /* its socket is what owns the table */
	char table[64];
};

static void free_context(struct nft_ctx **context)
{
	if (*context)
		nft_ctx_free(*context);
}

#define own_nft __attribute__((cleanup(free_context))) struct nft_ctx

/*
 * The library's socket, whose end ends the lock, is not closed on exec: an action script, and whatever it leaves running, would hold it,
 * if we were killed.
 */
static void close_on_exec(void)
{
	own_dir dir = opendir("/proc/thread-self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name), protocol = -1;
		socklen_t size = sizeof(protocol);

		if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
		    protocol == NETLINK_NETFILTER)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
}

static struct nft_ctx *context_new(void)
{
	struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);

	if (!context)
		return NULL;
	close_on_exec();
	nft_ctx_buffer_output(context);
	nft_ctx_buffer_error(context);
	return context;
}

/* All of the text is done, or nothing. */
static int run(struct nft_ctx *context, const char *text, const char *what, struct err *e)
{
	const char *said;

	if (context && nft_run_cmd_from_buffer(context, text) == 0)
		return 0;
	said = context ? nft_ctx_get_error_buffer(context) : "no memory";
	if (strncmp(said, "Error: ", 7) == 0)
		said += 7;
	return err_code(e, EIO, "%s by nftables: %.*s", what, (int)strcspn(said, "\n"), said);
}

static void add_elements(FILE *out, const struct netlock_pair *pairs, size_t count, bool six)
{
	char here[INET6_ADDRSTRLEN], there[INET6_ADDRSTRLEN];
	const char *before = "elements = { ";

	for (size_t i = 0; i < count; i++) {
		const struct netlock_pair *p = &pairs[i];

		if (p->six != six || !p->there_port)
			continue;
		inet_ntop(six ? AF_INET6 : AF_INET, p->here, here, sizeof(here));
		inet_ntop(six ? AF_INET6 : AF_INET, p->there, there, sizeof(there));
		fprintf(out, "%s%s . %u . %s . %u", before, there, p->there_port, here,
			p->here_port);
		before = ", ";
	}
	if (*before == ',')
		fputs(" };", out);
}

/* In the order of what comes in: from there to here. */
static void add_set(FILE *out, const struct netlock_pair *pairs, size_t count, bool six)
{
	const char *type = six ? "ipv6_addr" : "ipv4_addr";

	fprintf(out, "set conns%d { type %s . inet_service . %s . inet_service; ", six ? 6 : 4,
		type, type);
	add_elements(out, pairs, count, six);
	fputs(" }\n", out);
}

/* Where nobody begins a connection. */
static void add_ports(FILE *out, const struct netlock_pair *pairs, size_t count)
{
	const char *before = "elements = { ";

	fputs("set ports { type inet_service; ", out);
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].there_port)
			continue;
		fprintf(out, "%s%u", before, pairs[i].here_port);
		before = ", ";
	}
	fputs(*before == ',' ? " }; }\n" : " }\n", out);
}

struct table {
	const char *name;
	const char *flags;
	const struct netlock_pair *pairs;
	size_t count;
};

static char *table_text(const struct table *t)
{
	const char *name = t->name;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out, "add table inet %s\ndelete table inet %s\ntable inet %s {\n%s", name, name,
		name, t->flags);
	add_set(out, t->pairs, t->count, false);
	add_set(out, t->pairs, t->count, true);
	add_ports(out, t->pairs, t->count);
	fprintf(out,
		"chain input { type filter hook input priority -450; policy accept;\n"
		"meta mark %#x accept\n"
		"ip saddr . tcp sport . ip daddr . tcp dport @conns4 drop\n"
		"ip6 saddr . tcp sport . ip6 daddr . tcp dport @conns6 drop\n"
		"tcp flags & (syn | ack) == syn tcp dport @ports drop\n}\n"
		"chain output { type filter hook output priority -450; policy accept;\n"
		"meta mark %#x accept\n"
		"ip daddr . tcp dport . ip saddr . tcp sport @conns4 drop\n"
		"ip6 daddr . tcp dport . ip6 saddr . tcp sport @conns6 drop\n}\n}\n",
		NETLOCK_MARK, NETLOCK_MARK);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

static int put(struct nft_ctx *context, const struct table *t, struct err *e)
{
	own_mem char *text = table_text(t);

	if (!text)
		return err_sys(e, "memory for the connections that are to be blocked");
	if (run(context, text, "block the connections", e) == 0)
		return 0;
	return err_hint(e, "with --network-lock=skip that is left to you");
}

/* Waits for those who began to look at a packet before the rules were there: membarrier(2) waits for just these. */
static void settle(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(50000);
}

int netlock_hold(const struct netlock_pair *pairs, size_t count, struct netlock **ret,
		 struct err *e)
{
	struct netlock *lock = calloc(1, sizeof(*lock));
	struct table t = { NULL, "flags owner;\n", pairs, count };
	struct timespec now;

	if (!lock)
		return err_sys(e, "memory for a network lock");
	lock->context = context_new();
	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(lock->table, sizeof(lock->table), "stasis-%d-%lx", getpid(),
		 now.tv_sec * 1000000000UL + now.tv_nsec);
	t.name = lock->table;
	if (put(lock->context, &t, e) < 0) {
		netlock_drop(&lock);
		return e->code;
	}
	settle();
	*ret = lock;
	return 0;
}

/* Others may have our descriptors as well, so its end is not left to the owner's. */
void netlock_drop(struct netlock **lock)
{
	char text[128];

	if (!*lock)
		return;
	snprintf(text, sizeof(text), "delete table inet %s", (*lock)->table);
	if ((*lock)->context) {
		nft_run_cmd_from_buffer((*lock)->context, text);
		nft_ctx_free((*lock)->context);
	}
	free(*lock);
	*lock = NULL;
}

/* Names come from images, too. */
static int check_name(const char *table, struct err *e)
{
	static const char good[] = "0123456789-_"
				   "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return table[strspn(table, good)] ?
		       err_say(e, "'%s' is no name of a table of nftables", table) :
		       0;
}

int netlock_leave(const char *table, const struct netlock_pair *pairs, size_t count, struct err *e)
{
	const struct table t = { table, "", pairs, count };
	own_nft *context = context_new();

	return check_name(table, e) < 0 ? e->code : put(context, &t, e);
}

int netlock_remove(const char *table, struct err *e)
{
	own_nft *context = context_new();
	char text[512];

	if (check_name(table, e) < 0)
		return e->code;
	snprintf(text, sizeof(text), "add table inet %s\ndelete table inet %s", table, table);
	return run(context, text, "let the connections go on", e);
}

static bool hold_one(void)
{
	const struct netlock_pair pair = { .here_port = 1, .there_port = 1 };
	struct netlock *lock = NULL;
	struct err ignored = { 0 };

	if (netlock_hold(&pair, 1, &lock, &ignored) < 0)
		return false;
	netlock_drop(&lock);
	return true;
}

bool probe_network_lock_nftables(void)
{
	return probe_in_netns(hold_one);
}
