/*
 * Packet sockets: made deaf, given their options and filter, and only then bound, so that nothing comes that is not
 * to. The interface is looked for by its name, when that was kept, else by its number.
 */
#include "images/fd/packetsk.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/files.h"
#include "restore/sk_more.h"
#include "restore/sk_opts.h"

enum { NO_FANOUT = -1 };

/* struct packet_mreq with room for the longest address. */
struct membership {
	int index;
	unsigned short type, size;
	unsigned char address[32];
};

static int set(int fd, int option, int value, struct err *e)
{
	int now = 0;
	socklen_t size = sizeof(now);

	if (getsockopt(fd, SOL_PACKET, option, &now, &size) == 0 && now == value)
		return 0;
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) < 0 ?
		       err_sys(e, "set packet option %d to %d", option, value) :
		       0;
}

static int set_options(int fd, const PacketSockEntry *sk, struct err *e)
{
	const struct {
		int option, value;
	} all[] = {
		{ PACKET_VERSION, (int)sk->version },	  { PACKET_RESERVE, (int)sk->reserve },
		{ PACKET_AUXDATA, sk->aux_data },	  { PACKET_ORIGDEV, sk->orig_dev },
		{ PACKET_VNET_HDR, sk->vnet_hdr },	  { PACKET_LOSS, sk->loss },
		{ PACKET_TIMESTAMP, (int)sk->timestamp },
	};
	int thresh = (int)sk->copy_thresh;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (set(fd, all[i].option, all[i].value, e) < 0)
			return e->code;
	/* This one cannot be asked for. */
	if (thresh && setsockopt(fd, SOL_PACKET, PACKET_COPY_THRESH, &thresh, sizeof(thresh)) < 0)
		return err_sys(e, "set the threshold for copies to %d", thresh);
	return 0;
}

static int find_interface(const struct restore *r, const PacketSockEntry *sk, int *ret,
			  struct err *e)
{
	const FileExtraEntry *x = rfiles_extra(r, sk->id);

	*ret = (int)sk->ifindex;
	if (!sk->ifindex || !x || !x->interface)
		return 0;
	*ret = (int)if_nametoindex(x->interface);
	if (*ret)
		return 0;
	err_sys(e, "the network interface '%s' that it is bound to is not there", x->interface);
	return e->code;
}

static int join(int fd, const PacketSockEntry *sk, int interface, struct err *e)
{
	for (size_t i = 0; i < sk->n_mclist; i++) {
		const PacketMclist *m = sk->mclist[i];
		struct membership one = { .index = m->index == sk->ifindex ? interface :
									     (int)m->index,
					  .type = m->type,
					  .size = m->addr.len };

		if (m->addr.len > sizeof(one.address))
			return err_say(e, "the images have a hardware address of %zu bytes",
				       m->addr.len);
		memcpy(one.address, m->addr.data, m->addr.len);
		if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &one, sizeof(one)) < 0)
			return err_sys(e, "take part in what interface %d hears (%u)", one.index,
				       m->type);
	}
	return 0;
}

static int start(const struct restore *r, int fd, const PacketSockEntry *sk, struct err *e)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = (uint16_t)sk->protocol };
	int fanout = sk->has_fanout ? (int)sk->fanout : NO_FANOUT;

	if (find_interface(r, sk, &at.sll_ifindex, e) < 0)
		return e->code;
	if ((at.sll_ifindex || at.sll_protocol) && bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return err_sys(e, "bind it to interface %d", at.sll_ifindex);
	if (join(fd, sk, at.sll_ifindex, e) < 0)
		return e->code;
	if (fanout == NO_FANOUT)
		return 0;
	return set(fd, PACKET_FANOUT, sk_more_value(r, sk->id, SOL_PACKET, PACKET_FANOUT, fanout),
		   e);
}

static int packetsk_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const PacketSockEntry *sk = f->psk;
	int flags = sk->flags & (O_APPEND | O_NONBLOCK);
	own_fd fd = socket(AF_PACKET, (int)sk->type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "make a packet socket");
	if (set_options(fd, sk, e) < 0 || sk_opts_set(fd, sk->opts, e) < 0)
		return e->code;
	if (!r->opt->dry_run && start(r, fd, sk, e) < 0)
		return e->code;
	if (sk_more_set(r, sk->id, fd, e) < 0)
		return e->code;
	if (flags && fcntl(fd, F_SETFL, flags) < 0)
		return err_sys(e, "set its flags, %#x", flags);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind packetsk_fd_restore_kind = {
	.name = "fd/packetsk",
	.type = FD_TYPES__PACKETSK,
	.make = packetsk_make,
};
