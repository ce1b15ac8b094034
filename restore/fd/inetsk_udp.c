/* UDP and UDP-Lite: whom a socket is connected to, and the multicast groups that it belongs to. */
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "restore/fd/inetsk.h"

static void set_address(struct sockaddr_storage *ret, const ProtobufCBinaryData *bytes)
{
	struct sockaddr_in6 *six = (void *)ret;
	struct sockaddr_in *four = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = bytes->len == 16 ? AF_INET6 : AF_INET;
	memcpy(bytes->len == 16 ? (void *)&six->sin6_addr : &four->sin_addr, bytes->data,
	       bytes->len);
}

static int join_for_all(const struct rinet *s, const InetGroup *g, struct err *e)
{
	struct group_req r = { .gr_interface = if_nametoindex(g->ifname) };
	int level = g->group.len == 16 ? IPPROTO_IPV6 : IPPROTO_IP;

	set_address(&r.gr_group, &g->group);
	return setsockopt(s->fd, level, MCAST_JOIN_GROUP, &r, sizeof(r)) < 0 ?
		       err_sys(e, "join its group on '%s'", g->ifname) :
		       0;
}

static int with_source(const struct rinet *s, const InetGroup *g, size_t i, struct err *e)
{
	struct group_source_req r = { .gsr_interface = if_nametoindex(g->ifname) };
	int level = g->group.len == 16 ? IPPROTO_IPV6 : IPPROTO_IP;
	int what = g->exclude ? MCAST_BLOCK_SOURCE : MCAST_JOIN_SOURCE_GROUP;

	set_address(&r.gsr_group, &g->group);
	set_address(&r.gsr_source, &g->sources[i]);
	return setsockopt(s->fd, level, what, &r, sizeof(r)) < 0 ?
		       err_sys(e, "choose who may send to its group on '%s'", g->ifname) :
		       0;
}

static int join_group(const struct rinet *s, const InetGroup *g, struct err *e)
{
	if (!if_nametoindex(g->ifname))
		return err_sys(e, "find the interface '%s' of its group", g->ifname);
	if (g->exclude && join_for_all(s, g, e) < 0)
		return e->code;
	for (size_t i = 0; i < g->n_sources; i++)
		if (with_source(s, g, i, e) < 0)
			return e->code;
	return 0;
}

int rinet_join(const struct rinet *s, struct err *e)
{
	union inet_address there;
	socklen_t size;
	char words[64];

	for (size_t i = 0; s->extra && i < s->extra->n_groups; i++)
		if (join_group(s, s->extra->groups[i], e) < 0)
			return e->code;
	if (s->entry->state != INETSK_ESTABLISHED)
		return 0;
	if (rinet_address(s, true, &there, &size, e) < 0)
		return e->code;
	if (connect(s->fd, &there.any, size) == 0)
		return 0;
	rinet_words(s, true, words, sizeof(words));
	return err_sys(e, "connect it to %s", words);
}
