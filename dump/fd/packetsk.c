/*
 * Packet sockets: what sock_diag and getsockopt(2) tell. Packets that were not read are lost, as they are to whoever reads too
 * slowly. Rings in shared memory, and programs that share packets out (PACKET_FANOUT_CBPF and _EBPF), are refused.
 */
#include "images/fd/packetsk.pb-c.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/packet_diag.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/files.h"
#include "dump/ns.h"
#include "dump/sk_more.h"
#include "dump/sk_opts.h"
#include "lib/sock_diag.h"

#ifndef PACKET_VNET_HDR_SZ
#define PACKET_VNET_HDR_SZ 24
#endif

enum { FANOUT_TYPE = 0xff };

static const struct sk_more options[] = {
	{ SOL_PACKET, PACKET_TX_HAS_OFF, 0 },	   { SOL_PACKET, PACKET_QDISC_BYPASS, 0 },
	{ SOL_PACKET, PACKET_IGNORE_OUTGOING, 0 }, { SOL_PACKET, PACKET_VNET_HDR_SZ, 0 },
	{ SOL_PACKET, PACKET_FANOUT, 0 },
};

static bool packetsk_match(const struct file *f)
{
	socklen_t size = sizeof(int);
	int family = 0;

	return S_ISSOCK(f->st.st_mode) && strncmp(f->link, "socket:[", 8) == 0 &&
	       getsockopt(f->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_PACKET;
}

struct looking {
	struct file *f;
	PacketSockEntry *sk;
	bool found, ring;
};

static void copy_info(PacketSockEntry *sk, const struct packet_diag_info *info)
{
	sk->ifindex = info->pdi_index;
	sk->version = info->pdi_version;
	sk->reserve = info->pdi_reserve;
	sk->copy_thresh = info->pdi_copy_thresh;
	sk->timestamp = info->pdi_tstamp;
	sk->aux_data = info->pdi_flags & PDI_AUXDATA;
	sk->orig_dev = info->pdi_flags & PDI_ORIGDEV;
	sk->vnet_hdr = info->pdi_flags & PDI_VNETHDR;
	sk->loss = info->pdi_flags & PDI_LOSS;
}

/* Each counts as often as it was joined. */
static void copy_memberships(struct looking *l, const struct nlattr *list)
{
	const struct packet_diag_mclist *m = sock_diag_data(list, sizeof(*m));
	size_t count = m ? (list->nla_len - NLA_HDRLEN) / sizeof(*m) : 0, total = 0;
	struct pool *pool = &l->f->dump->pool;

	for (size_t i = 0; i < count; i++)
		total += m[i].pdmc_count;
	l->sk->mclist = pool_array(pool, PacketMclist *, total + 1);
	for (size_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < m[i].pdmc_count; k++) {
			PacketMclist *entry = pool_new(pool, PacketMclist);
			size_t size = m[i].pdmc_alen;

			packet_mclist__init(entry);
			entry->index = m[i].pdmc_index;
			entry->type = m[i].pdmc_type;
			entry->addr.len = size < sizeof(m->pdmc_addr) ? size : sizeof(m->pdmc_addr);
			entry->addr.data = pool_copy(pool, m[i].pdmc_addr, entry->addr.len + 1);
			l->sk->mclist[l->sk->n_mclist++] = entry;
		}
}

static void look(const void *message, size_t size, void *arg)
{
	const struct packet_diag_msg *m = message;
	struct looking *l = arg;
	const struct packet_diag_info *info;
	const uint32_t *fanout;

	if (size < sizeof(*m) || m->pdiag_ino != (uint32_t)l->f->st.st_ino)
		return;
	l->found = true;
	info = sock_diag_data(sock_diag_attribute(m, size, sizeof(*m), PACKET_DIAG_INFO),
			      sizeof(*info));
	if (info)
		copy_info(l->sk, info);
	fanout = sock_diag_data(sock_diag_attribute(m, size, sizeof(*m), PACKET_DIAG_FANOUT),
				sizeof(*fanout));
	if (fanout) {
		l->sk->has_fanout = 1;
		l->sk->fanout = *fanout;
	}
	copy_memberships(l, sock_diag_attribute(m, size, sizeof(*m), PACKET_DIAG_MCLIST));
	l->ring = sock_diag_attribute(m, size, sizeof(*m), PACKET_DIAG_RX_RING) ||
		  sock_diag_attribute(m, size, sizeof(*m), PACKET_DIAG_TX_RING);
}

static int find(struct looking *l, struct err *e)
{
	struct packet_diag_req request = { .sdiag_family = AF_PACKET,
					   .pdiag_show = PACKET_SHOW_INFO | PACKET_SHOW_MCLIST |
							 PACKET_SHOW_RING_CFG |
							 PACKET_SHOW_FANOUT };
	int r = sock_diag_list(&request, sizeof(request), look, l);

	if (r < 0)
		return err_res(e, r, "ask for the list of packet sockets (sock_diag)");
	return l->found ?
		       0 :
		       err_code(e, ENOTSUP, "sock_diag does not know socket %lu", l->f->st.st_ino);
}

static int check(const struct looking *l, struct err *e)
{
	uint32_t how = l->sk->has_fanout ? l->sk->fanout >> 16 & FANOUT_TYPE : 0;
	const char *what = NULL;

	if (l->ring)
		what = "it has a ring of packets in shared memory";
	else if (l->sk->type == SOCK_PACKET)
		what = "it is of the old type SOCK_PACKET";
	else if (how == PACKET_FANOUT_CBPF || how == PACKET_FANOUT_EBPF)
		what = "a program decides which packets are shared out to it (PACKET_FANOUT)";
	if (!what)
		return 0;
	err_code(e, ENOTSUP, "%s, which is not supported", what);
	return err_hint(e, "let the program close it before the dump");
}

static int read_address(struct file *f, PacketSockEntry *sk, struct err *e)
{
	struct sockaddr_ll at = { 0 };
	socklen_t size = sizeof(at);
	char name[IF_NAMESIZE];
	int type;

	if (getsockname(f->fd, (struct sockaddr *)&at, &size) < 0)
		return err_sys(e, "ask for its address");
	if (sk_opts_number(f->fd, SO_TYPE, &type, e) < 0)
		return e->code;
	sk->type = type;
	sk->protocol = at.sll_protocol;
	/* By its name it is known again on another machine. */
	if (sk->ifindex && if_indextoname(sk->ifindex, name))
		files_extra(f)->interface = (char *)pool_text(&f->dump->pool, name);
	return 0;
}

static int packetsk_dump(struct file *f, FileEntry *entry, struct err *e)
{
	struct looking l = { .f = f, .sk = pool_new(&f->dump->pool, PacketSockEntry) };

	packet_sock_entry__init(l.sk);
	l.sk->id = f->id;
	l.sk->flags = f->flags;
	l.sk->fown = f->fown;
	l.sk->has_ns_id = ns_of_sockets(f->dump, &l.sk->ns_id);
	entry->psk = l.sk;
	if (sk_more_check_ns(f, e) < 0 || find(&l, e) < 0 || read_address(f, l.sk, e) < 0 ||
	    check(&l, e) < 0)
		return e->code;
	sk_more_read(f, options, ARRAY_SIZE(options));
	sk_more_read(f, sk_more_any, sk_more_any_count);
	return sk_opts_read(f->dump, f->fd, &l.sk->opts, e);
}

const struct fd_kind packetsk_fd_kind = {
	.name = "fd/packetsk",
	.type = FD_TYPES__PACKETSK,
	.match = packetsk_match,
	.dump = packetsk_dump,
};
