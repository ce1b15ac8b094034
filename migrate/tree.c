/* The tree that is to move; see tree.h. What is gone by the time that we look was none of it. */
#include "migrate/tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "lib/netlink.h"
#include "lib/own.h"

static int add_children(struct pids *all, int pid, struct err *e)
{
	own_pids threads = { 0 }, children = { 0 };
	struct err ignored = { 0 };
	own_fd proc = -1;

	if (proc_open(pid, &proc, &ignored) < 0 || proc_threads(proc, &threads, &ignored) < 0 ||
	    proc_children(proc, pid, &threads, &children, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < children.count; i++) {
		if (io_grow(&all->pid, all->count, sizeof(*all->pid), e) < 0)
			return e->code;
		all->pid[all->count++] = children.pid[i];
	}
	return 0;
}

int tree_pids(int root, struct pids *ret, struct err *e)
{
	struct proc_stat stat;
	own_fd proc = -1;

	*ret = (struct pids){ 0 };
	if (proc_open(root, &proc, e) < 0 || proc_stat_read(proc, &stat, e) < 0)
		return e->code;
	if (proc_stat_dead(&stat))
		return err_code(e, ESRCH, "pid %d has ended", root);
	if (io_grow(&ret->pid, 0, sizeof(*ret->pid), e) < 0)
		return e->code;
	ret->pid[ret->count++] = root;
	for (size_t i = 0; i < ret->count; i++)
		if (add_children(ret, ret->pid[i], e) < 0)
			return e->code;
	return 0;
}

int tree_memory(const struct pids *tree, uint64_t *ret, struct err *e)
{
	uint64_t most = 0;

	*ret = 0;
	for (size_t i = 0; i < tree->count; i++) {
		uint64_t anon = 0, shared = 0, swapped = 0;
		struct err ignored = { 0 };
		own_fd proc = -1;

		(void)e;
		/* One that has ended has none of these. */
		if (proc_open(tree->pid[i], &proc, &ignored) < 0 ||
		    proc_status_number(proc, "RssAnon", 10, &anon, &ignored) < 0 ||
		    proc_status_number(proc, "RssShmem", 10, &shared, &ignored) < 0 ||
		    proc_status_number(proc, "VmSwap", 10, &swapped, &ignored) < 0)
			continue;
		*ret += (anon + swapped) << 10;
		most = most > shared ? most : shared;
	}
	*ret += most << 10;
	return 0;
}

/* --- connections --------------------------------------------------------------------------------- */

static int number(int fd, int name)
{
	int value = 0;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

static bool is_connection(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);
	int domain = number(fd, SO_DOMAIN);

	return (domain == AF_INET || domain == AF_INET6) && number(fd, SO_TYPE) == SOCK_STREAM &&
	       number(fd, SO_PROTOCOL) == IPPROTO_TCP &&
	       getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	       info.tcpi_state != TCP_LISTEN && info.tcpi_state != TCP_CLOSE;
}

/* An address that is everywhere, or moves too. */
static bool moves(int fd, const char *address)
{
	union {
		struct sockaddr any;
		struct sockaddr_in four;
		struct sockaddr_in6 six;
	} at = { 0 };
	socklen_t size = sizeof(at);
	char text[INET6_ADDRSTRLEN] = "";
	size_t length = address ? strcspn(address, "/") : 0;

	if (getsockname(fd, &at.any, &size) < 0)
		return true;
	if (at.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &at.four.sin_addr, text, sizeof(text));
		if (ntohl(at.four.sin_addr.s_addr) >> 24 == 127)
			return true;
	} else if (IN6_IS_ADDR_V4MAPPED(&at.six.sin6_addr)) {
		inet_ntop(AF_INET, &at.six.sin6_addr.s6_addr[12], text, sizeof(text));
	} else {
		inet_ntop(AF_INET6, &at.six.sin6_addr, text, sizeof(text));
		if (IN6_IS_ADDR_LOOPBACK(&at.six.sin6_addr))
			return true;
	}
	return address && strlen(text) == length && strncmp(text, address, length) == 0;
}

static int check_socket(int pid, int num, int fd, const struct options *opt, struct err *e)
{
	const char *slash = opt->migrate.move_address ? strchr(opt->migrate.move_address, '/') :
							NULL;
	char text[256];

	if (opt->tcp_close || !is_connection(fd) || moves(fd, slash ? slash + 1 : NULL))
		return 0;
	netlink_socket_describe(fd, text, sizeof(text));
	err_say(e, "fd %d of pid %d: the connection %s would not find its way to another machine",
		num, pid, text);
	return err_hint(e, "--move-address DEV/ADDRESS takes the address along, --tcp-close "
			   "closes connections");
}

static int check_task(int pid, const struct options *opt, struct err *e)
{
	own_fd process = syscall(SYS_pidfd_open, pid, 0);
	own_pids numbers = { 0 };
	struct err ignored = { 0 };
	own_fd proc = -1;

	if (process < 0 || proc_open(pid, &proc, &ignored) < 0 ||
	    proc_descriptors(proc, &numbers, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < numbers.count; i++) {
		own_fd fd = syscall(SYS_pidfd_getfd, process, numbers.pid[i], 0);

		if (fd >= 0 && check_socket(pid, numbers.pid[i], fd, opt, e) < 0)
			return e->code;
	}
	return 0;
}

int tree_check_sockets(const struct pids *tree, const struct options *opt, struct err *e)
{
	for (size_t i = 0; i < tree->count; i++)
		if (check_task(tree->pid[i], opt, e) < 0)
			return e->code;
	return 0;
}
