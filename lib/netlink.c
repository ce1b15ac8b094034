/*
 * Talks netlink, by libnl; see netlink.h. Sockets are asked about in our own network namespace,
 * so the peer of a unix socket of another one stays unnamed.
 */
#include "lib/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/io.h"
#include "lib/kernel_probes.h"
#include "lib/netlink_ask.h"
#include "lib/own.h"

/* The end of a list of answers carries the kernel's error, which libnl does not look at. */
static int end_of_list(struct nl_msg *message, void *arg)
{
	const struct nlmsghdr *head = nlmsg_hdr(message);

	if (nlmsg_datalen(head) >= (int)sizeof(int))
		memcpy(arg, nlmsg_data(head), sizeof(int));
	return NL_STOP;
}

int netlink_ask(int protocol, struct nl_msg *question, netlink_answer_fn answer, void *arg)
{
	own_nl_sock *socket = nl_socket_alloc();
	int r, list_error = 0;

	if (!socket || !question)
		return -NLE_NOMEM;
	r = nl_connect(socket, protocol);
	if (r == 0 && answer)
		r = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, answer, arg);
	if (r == 0)
		r = nl_socket_modify_cb(socket, NL_CB_FINISH, NL_CB_CUSTOM, end_of_list,
					&list_error);
	if (r == 0)
		r = nl_send_auto(socket, question);
	if (r >= 0)
		r = nl_wait_for_ack(socket);
	return r < 0 ? r : list_error;
}

struct nl_msg *netlink_question(int type, int flags, const void *head, size_t size)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, (void *)head, size, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

/* --- probes --------------------------------------------------------------------- */

/* Sockets of no state at all: the kernel has only to know the question. */
static bool diag_knows_inet(int protocol)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = AF_INET,
		.sdiag_protocol = (uint8_t)protocol,
	};
	own_nl_msg *message =
		netlink_question(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request));

	return netlink_ask(NETLINK_SOCK_DIAG, message, NULL, NULL) == 0;
}

bool probe_sock_diag(void)
{
	struct unix_diag_req request = { .sdiag_family = AF_UNIX };
	own_nl_msg *message =
		netlink_question(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request));

	return netlink_ask(NETLINK_SOCK_DIAG, message, NULL, NULL) == 0 &&
	       diag_knows_inet(IPPROTO_TCP);
}

bool probe_net_diag_raw(void)
{
	return diag_knows_inet(IPPROTO_RAW);
}

/* A question about our own network namespace, by descriptor and perhaps with an id to give it. */
static int ask_nsid(int type, int flags, int id)
{
	struct rtgenmsg head = { .rtgen_family = AF_UNSPEC };
	own_nl_msg *message = netlink_question(type, flags, &head, sizeof(head));
	own_fd ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (!message || nla_put_u32(message, NETNSA_FD, (uint32_t)ns) < 0 ||
	    (id >= 0 && nla_put_s32(message, NETNSA_NSID, id) < 0))
		return -NLE_NOMEM;
	return netlink_ask(NETLINK_ROUTE, message, NULL, NULL);
}

bool probe_nsid(void)
{
	return ask_nsid(RTM_GETNSID, 0, -1) == 0;
}

static int saw_nsid(struct nl_msg *message, void *arg)
{
	bool *seen = arg;

	if (nlmsg_find_attr(nlmsg_hdr(message), sizeof(struct ifinfomsg), IFLA_TARGET_NETNSID))
		*seen = true;
	return NL_OK;
}

/* A kernel that does not know the attribute answers for this namespace, and without it. */
static bool ask_link_nsid(void)
{
	struct ifinfomsg head = { .ifi_index = 1 };
	own_nl_msg *message = netlink_question(RTM_GETLINK, 0, &head, sizeof(head));
	bool seen = false;

	return ask_nsid(RTM_NEWNSID, 0, 1) == 0 && message &&
	       nla_put_s32(message, IFLA_TARGET_NETNSID, 1) == 0 &&
	       netlink_ask(NETLINK_ROUTE, message, saw_nsid, &seen) == 0 && seen;
}

bool probe_link_nsid(void)
{
	return probe_in_netns(ask_link_nsid);
}

/* An index that cannot be: passed over by a kernel that does not know the attribute. */
static bool ask_newifindex(void)
{
	struct ifinfomsg head = { .ifi_index = 1 };
	own_nl_msg *message = netlink_question(RTM_SETLINK, 0, &head, sizeof(head));

	return message && nla_put_s32(message, IFLA_NEW_IFINDEX, -1) == 0 &&
	       netlink_ask(NETLINK_ROUTE, message, NULL, NULL) < 0;
}

bool probe_newifindex(void)
{
	return probe_in_netns(ask_newifindex);
}

/* --- a socket in words --------------------------------------------------------- */

/* A sentence under construction; what does not fit is cut. */
struct words {
	char *buf;
	size_t size, len;
};

static void add(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct words *w, const char *fmt, ...)
{
	size_t room = w->len < w->size ? w->size - w->len : 0;
	va_list ap;

	va_start(ap, fmt);
	w->len += vsnprintf(room ? w->buf + w->len : NULL, room, fmt, ap);
	va_end(ap);
}

static int option_of(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static const char *type_name(int type)
{
	static const char *const names[] = {
		[SOCK_STREAM] = "stream", [SOCK_DGRAM] = "datagram",	  [SOCK_RAW] = "raw",
		[SOCK_RDM] = "rdm",	  [SOCK_SEQPACKET] = "seqpacket",
	};

	return type >= 0 && (size_t)type < ARRAY_SIZE(names) && names[type] ? names[type] :
									      "unknown";
}

static int peer_inode(struct nl_msg *message, void *arg)
{
	struct nlattr *peer =
		nlmsg_find_attr(nlmsg_hdr(message), sizeof(struct unix_diag_msg), UNIX_DIAG_PEER);

	if (peer)
		*(uint32_t *)arg = nla_get_u32(peer);
	return NL_OK;
}

/* The other end of a unix socket, by the inode of this one; 0: none, or not to be found. */
static uint32_t unix_peer(int fd)
{
	struct unix_diag_req request = {
		.sdiag_family = AF_UNIX,
		.udiag_states = -1U,
		.udiag_show = UDIAG_SHOW_PEER,
		.udiag_cookie = { -1U, -1U },
	};
	own_nl_msg *message = NULL;
	uint32_t inode = 0;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return 0;
	request.udiag_ino = (uint32_t)st.st_ino;
	message = netlink_question(SOCK_DIAG_BY_FAMILY, 0, &request, sizeof(request));
	netlink_ask(NETLINK_SOCK_DIAG, message, peer_inode, &inode);
	return inode;
}

/* "'/run/x'", "'@abstract'"; false: it has no name. */
static bool add_unix_name(struct words *w, const struct sockaddr_un *name, socklen_t size)
{
	size_t len = size > sizeof(sa_family_t) ? size - sizeof(sa_family_t) : 0;

	if (len == 0)
		return false;
	if (name->sun_path[0])
		add(w, "'%.*s'", (int)strnlen(name->sun_path, len), name->sun_path);
	else
		add(w, "'@%.*s'", (int)len - 1, name->sun_path + 1);
	return true;
}

static void describe_unix(struct words *w, int fd)
{
	struct sockaddr_un name = {};
	socklen_t size = sizeof(name);
	uint32_t peer;

	add(w, "unix %s ", type_name(option_of(fd, SO_TYPE)));
	if (getsockname(fd, (struct sockaddr *)&name, &size) < 0 || !add_unix_name(w, &name, size))
		add(w, "without a name");
	if (option_of(fd, SO_ACCEPTCONN) > 0) {
		add(w, " listening");
		return;
	}
	size = sizeof(name);
	if (getpeername(fd, (struct sockaddr *)&name, &size) == 0 && size > sizeof(sa_family_t)) {
		add(w, " connected to ");
		add_unix_name(w, &name, size);
	} else if ((peer = unix_peer(fd))) {
		add(w, ", peer inode %u", peer);
	}
}

static void add_inet_name(struct words *w, const struct sockaddr_storage *name)
{
	const struct sockaddr_in *in = (const void *)name;
	const struct sockaddr_in6 *in6 = (const void *)name;
	bool six = name->ss_family == AF_INET6;
	struct nl_addr *addr = six ? nl_addr_build(AF_INET6, &in6->sin6_addr, 16) :
				     nl_addr_build(AF_INET, &in->sin_addr, 4);
	char text[64] = "?";

	if (addr)
		nl_addr2str(addr, text, sizeof(text));
	nl_addr_put(addr);
	/* nl_addr2str calls 0.0.0.0 and :: "none". */
	if (strcmp(text, "none") == 0)
		strcpy(text, six ? "::" : "0.0.0.0");
	add(w, six ? "[%s]:%u" : "%s:%u", text, ntohs(six ? in6->sin6_port : in->sin_port));
}

static void describe_inet(struct words *w, int fd, bool six)
{
	struct sockaddr_storage name = {};
	socklen_t size = sizeof(name);
	int protocol = option_of(fd, SO_PROTOCOL);

	if (protocol == IPPROTO_TCP)
		add(w, "tcp%s ", six ? "6" : "");
	else if (protocol == IPPROTO_UDP)
		add(w, "udp%s ", six ? "6" : "");
	else
		add(w, "%s %s of protocol %d ", six ? "inet6" : "inet",
		    type_name(option_of(fd, SO_TYPE)), protocol);
	if (getsockname(fd, (struct sockaddr *)&name, &size) == 0)
		add_inet_name(w, &name);
	size = sizeof(name);
	if (option_of(fd, SO_ACCEPTCONN) > 0) {
		add(w, " listening");
	} else if (getpeername(fd, (struct sockaddr *)&name, &size) == 0) {
		add(w, " connected to ");
		add_inet_name(w, &name);
	}
}

int netlink_socket_describe(int fd, char *buf, size_t size)
{
	struct words w = { .buf = buf, .size = size };
	int family = option_of(fd, SO_DOMAIN);

	if (size)
		buf[0] = 0;
	if (family == AF_UNIX)
		describe_unix(&w, fd);
	else if (family == AF_INET || family == AF_INET6)
		describe_inet(&w, fd, family == AF_INET6);
	else if (family == AF_NETLINK)
		add(&w, "netlink of protocol %d", option_of(fd, SO_PROTOCOL));
	else if (family == AF_PACKET)
		add(&w, "packet %s", type_name(option_of(fd, SO_TYPE)));
	else if (family == AF_VSOCK)
		add(&w, "vsock %s", type_name(option_of(fd, SO_TYPE)));
	else
		add(&w, "socket of family %d", family);
	return (int)w.len;
}
