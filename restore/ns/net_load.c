/* What is to be in a network namespace: all of it is read and looked at before anything is made. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "images/ns_streams.h"
#include "lib/io.h"
#include "restore/ns_net.h"

static int by_index(const void *a, const void *b)
{
	uint32_t x = ((const struct rlink *)a)->m->ifindex,
		 y = ((const struct rlink *)b)->m->ifindex;

	return x < y ? -1 : x > y;
}

struct rlink *rnet_link_of(const struct rnet *n, uint32_t index)
{
	size_t low = 0, high = n->link_count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		uint32_t there = n->links[mid].m->ifindex;

		if (there == index)
			return &n->links[mid];
		if (there < index)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static int check(const struct rnet *n, const NetDeviceEntry *m, struct err *e)
{
	if (m->name[0] && strlen(m->name) < IFNAMSIZ && !strchr(m->name, '/') && m->ifindex &&
	    m->ifindex <= INT32_MAX)
		return 0;
	return err_say(e, "'netdev-%u.img' has an impossible interface: '%s', number %u", n->id,
		       m->name, m->ifindex);
}

static int load_links(struct restore *r, struct rnet *n, struct err *e)
{
	own_image img = {};
	int res;

	res = image_open(&img, r->images, IMG_NETDEV, n->id, e);
	if (res == -ENOENT) {
		err_code(e, ENOENT, "the images have a network namespace without what was in it");
		return err_hint(e, "use --empty-ns net, as at the dump");
	}
	if (res < 0)
		return res;
	for (;;) {
		NetDeviceEntry *m = NULL;

		res = image_read(&img, &net_device_entry__descriptor, &m, e);
		if (res <= 0)
			return res;
		if (io_grow(&n->links, n->link_count, sizeof(*n->links), e) < 0) {
			image_message_free(&m);
			return e->code;
		}
		n->links[n->link_count++] = (struct rlink){ .m = m };
		if (check(n, m, e) < 0)
			return e->code;
	}
}

static int load_extra(struct restore *r, struct rnet *n, struct err *e)
{
	own_image img = {};
	int res = image_open(&img, r->images, IMG_NETDEV_EXTRA, n->id, e);

	if (res == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	while (res >= 0) {
		NetdevExtraEntry *x = NULL;
		struct rlink *l;

		res = image_read(&img, &netdev_extra_entry__descriptor, &x, e);
		if (res <= 0)
			return res;
		l = rnet_link_of(n, x->ifindex);
		if (!l || l->x) {
			uint32_t index = x->ifindex;

			image_message_free(&x);
			return err_say(e, "'stasis-netdev-%u.img' has the interface %u %s", n->id,
				       index, l ? "twice" : "that is in no other image");
		}
		l->x = x;
	}
	return res;
}

/* --- what is made of them ------------------------------------------------------------------------ */

static const char *kind_of(const struct rlink *l)
{
	if (l->x)
		return l->x->kind;
	switch (l->m->type) {
	case ND_TYPE__VETH:
		return "veth";
	case ND_TYPE__BRIDGE:
		return "bridge";
	case ND_TYPE__MACVLAN:
		return "macvlan";
	case ND_TYPE__TUN:
		return "tun";
	default:
		return NULL;
	}
}

static int decide(struct restore *r, struct rnet *n, struct rlink *l, struct err *e)
{
	const NetDeviceEntry *m = l->m;
	char key[64];

	l->kind = kind_of(l);
	if (m->type == ND_TYPE__VENET || m->type == ND_TYPE__SIT)
		return err_code(e, ENOTSUP,
				"the interface '%s' is of a kind that is not supported (%d)",
				m->name, m->type);
	if (m->has_master && !rnet_link_of(n, m->master))
		return err_say(e,
			       "the interface '%s' belongs to one that is not in the images (%u)",
			       m->name, m->master);
	if (m->type == ND_TYPE__VETH && m->has_peer_nsid && m->peer_nsid == n->id)
		l->peer = rnet_link_of(n, m->peer_ifindex);
	if (m->type == ND_TYPE__VETH && m->has_peer_nsid && (!l->peer || l->peer == l))
		return err_code(
			e, ENOTSUP,
			"the other end of the veth '%s' is in another namespace of the images, "
			"which is not supported",
			m->name);
	if (m->type == ND_TYPE__TUN && !m->tun)
		return err_say(e, "'netdev-%u.img' does not say what tun '%s' is", n->id, m->name);
	if (m->type != ND_TYPE__MACVLAN || (l->x && !l->x->link_outside))
		return 0;
	snprintf(key, sizeof(key), "macvlan[%s]", m->name);
	if (options_external(r->opt, key, NULL))
		return 0;
	err_say(e, "the interface '%s' is upon one that is not in the images", m->name);
	return err_hint(e, "say upon which with --external '%s:NAME'", key);
}

static int decide_all(struct restore *r, struct rnet *n, struct err *e)
{
	for (size_t i = 0; i < n->link_count; i++)
		if (decide(r, n, &n->links[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < n->link_count; i++) {
		const struct rlink *l = &n->links[i];

		if (l->peer && l->peer->peer != l)
			return err_say(e, "the veths '%s' and '%s' are not the two ends of one",
				       l->m->name, l->peer->m->name);
		if (i && l->m->ifindex == l[-1].m->ifindex)
			return err_say(e, "'netdev-%u.img' has interface %u twice", n->id,
				       l->m->ifindex);
	}
	return 0;
}

/* --- lists of messages ---------------------------------------------------------------------------- */

/* All of a file; the caller frees it. Nothing if there is none. */
static int load_bytes(struct restore *r, const struct rnet *n, enum image_kind kind,
		      struct rstream *ret, struct err *e)
{
	own_image img = {};
	int res = image_open(&img, r->images, kind, n->id, e);

	*ret = (struct rstream){ 0 };
	if (res == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	if (res < 0)
		return res;
	ret->size = image_left(&img);
	return image_take_extra(&img, ret->size, &ret->data, e);
}

struct stored {
	enum image_kind kind;
	uint32_t magic; /* 0: none */
	struct rstream *ret;
};

static int load_stream(struct restore *r, const struct rnet *n, const struct stored *from,
		       struct err *e)
{
	struct rstream *ret = from->ret;
	const struct nlmsghdr *m;
	char name[64];
	size_t left;
	uint32_t is;

	if (load_bytes(r, n, from->kind, ret, e) < 0)
		return e->code;
	if (!ret->size)
		return 0;
	image_name(name, from->kind, n->id);
	if (from->magic) {
		if (ret->size < sizeof(is) ||
		    (memcpy(&is, ret->data, sizeof(is)), is != from->magic))
			return err_say(e, "'%s' does not begin as it should", name);
		ret->size -= sizeof(is);
		memmove(ret->data, ret->data + sizeof(is), ret->size);
	}
	left = ret->size;
	for (m = (void *)ret->data; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
		if (m->nlmsg_len < NLMSG_LENGTH(sizeof(struct rtgenmsg)))
			break;
	return left ? err_say(e, "'%s' has something that is no message of netlink", name) : 0;
}

static int load_filter(struct restore *r, struct rnet *n, struct err *e)
{
	static const enum image_kind old[] = { IMG_IPTABLES, IMG_IP6TABLES };
	struct rstream text;

	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		own_mem char *rules = NULL;

		if (load_bytes(r, n, old[i], &text, e) < 0)
			return e->code;
		rules = text.data;
		if (text.size &&
		    (memmem(rules, text.size, "\n-A", 3) || memmem(rules, text.size, "\n-I", 3)))
			return err_code(
				e, ENOTSUP,
				"the images have rules of iptables, which are not supported");
	}
	if (load_bytes(r, n, IMG_NFTABLES, &text, e) < 0)
		return e->code;
	n->filter = realloc(text.data, text.size + 1);
	if (!n->filter) {
		free(text.data);
		return err_sys(e, "memory for rules");
	}
	n->filter[text.size] = 0;
	return 0;
}

int rnet_load(struct restore *r, struct rnet *n, struct err *e)
{
	const struct stored streams[] = {
		{ IMG_IFADDR, STREAM_ADDRESSES, &n->addresses },
		{ IMG_ROUTE, STREAM_ROUTES, &n->routes },
		{ IMG_ROUTE6, STREAM_ROUTES, &n->routes6 },
		{ IMG_RULE, STREAM_RULES, &n->rules },
		{ IMG_NEIGHBOURS, 0, &n->neighbours },
	};

	if (r->opt->empty_net)
		return 0;
	if (load_links(r, n, e) < 0)
		return e->code;
	if (n->link_count)
		qsort(n->links, n->link_count, sizeof(*n->links), by_index);
	if (load_extra(r, n, e) < 0 || decide_all(r, n, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		if (load_stream(r, n, &streams[i], e) < 0)
			return e->code;
	return load_filter(r, n, e);
}

void rnet_close(struct rnet *n)
{
	struct rstream *streams[] = { &n->addresses, &n->routes, &n->routes6, &n->rules,
				      &n->neighbours };

	for (size_t i = 0; i < n->link_count; i++) {
		image_message_free(&n->links[i].m);
		image_message_free(&n->links[i].x);
	}
	free(n->links);
	for (size_t i = 0; i < ARRAY_SIZE(streams); i++)
		free(streams[i]->data);
	free(n->filter);
	image_message_free(&n->entry);
	memset(n, 0, sizeof(*n));
}
