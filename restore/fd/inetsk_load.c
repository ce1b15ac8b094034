/* IPv4 and IPv6 sockets of the images, with what is in their connections: read and checked before anything is made. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/fd/inetsk.h"

enum {
	PORT_MAX = 65535,
	QUEUE_MAX = 1 << 30,
	VALUE_MAX = 256,
	WSCALE_MAX = 14,
	SOURCES_MAX = 1024
};

int rinet_blame(const struct rinet *s, struct err *e)
{
	return rfiles_blame(rfiles_find(s->r, s->entry->id), e);
}

bool rinet_has_peer(const struct rinet *s)
{
	return s->entry->type == SOCK_STREAM && s->entry->state != INETSK_CLOSE &&
	       s->entry->state != INETSK_LISTEN;
}

static bool is_state(uint32_t state)
{
	return (state >= INETSK_ESTABLISHED && state <= INETSK_CLOSING && state != 3 && state != 6);
}

static bool is_known(const InetSkEntry *s)
{
	if (s->type == SOCK_DGRAM)
		return s->proto == IPPROTO_UDP || s->proto == IPPROTO_UDPLITE ||
		       s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6;
	if (s->type == SOCK_RAW)
		return s->proto <= IPPROTO_RAW;
	if (s->type == SOCK_STREAM && s->proto == IPPROTO_MPTCP)
		return s->state == INETSK_CLOSE || s->state == INETSK_LISTEN;
	return s->type == SOCK_STREAM && s->proto == IPPROTO_TCP;
}

static int check(const InetSkEntry *s, struct err *e)
{
	size_t words = s->family == AF_INET6 ? 4 : 1;

	if (s->family != AF_INET && s->family != AF_INET6)
		return err_say(e, "'files.img' has socket %u of the family %u", s->id, s->family);
	if (!is_known(s))
		return err_code(
			e, ENOTSUP,
			"'files.img' has socket %u of type %u and protocol %u, which is not "
			"supported yet",
			s->id, s->type, s->proto);
	if (!is_state(s->state) || (s->type != SOCK_STREAM && s->state != INETSK_CLOSE &&
				    (s->state != INETSK_ESTABLISHED || !s->n_dst_addr)))
		return err_say(e, "'files.img' has socket %u in the state %u", s->id, s->state);
	if (s->n_src_addr != words || (s->n_dst_addr != words && s->n_dst_addr) ||
	    s->src_port > PORT_MAX || s->dst_port > PORT_MAX)
		return err_say(e, "'files.img' has socket %u with an address that is none", s->id);
	return 0;
}

/* IPv4 in a socket of IPv6 is the last of its four words. */
void rinet_rebind(const struct options *opt, uint32_t *words, size_t count)
{
	bool six = count == 4 && !rinet_is_mapped(words);
	uint32_t *at = count == 4 && !six ? words + 3 : words;
	size_t size = six ? 16 : 4;

	for (size_t i = 0; i < opt->rebind_count && count; i++) {
		const struct tcp_rebind *r = &opt->tcp_rebinds[i];

		if (r->six != six || memcmp(at, r->old, size) != 0)
			continue;
		memcpy(at, r->new, size);
		return;
	}
}

static int list(struct restore *r, struct rinets *all, struct err *e)
{
	all->on_port = pool_array(&r->pool, uint32_t, PORT_MAX + 1);
	for (size_t i = 0; i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];

		if (f->entry->type != FD_TYPES__INETSK)
			continue;
		if (check(f->entry->isk, e) < 0 ||
		    io_grow(&all->at, all->count, sizeof(*all->at), e) < 0)
			return e->code;
		all->at[all->count++] = (struct rinet){ .r = r, .entry = f->entry->isk, .fd = -1 };
		rinet_rebind(r->opt, f->entry->isk->src_addr, f->entry->isk->n_src_addr);
		rinet_rebind(r->opt, f->entry->isk->dst_addr, f->entry->isk->n_dst_addr);
		all->on_port[f->entry->isk->src_port]++;
	}
	return 0;
}

static int by_id(const void *va, const void *vb)
{
	const struct rinet *a = va, *b = vb;

	return a->entry->id < b->entry->id ? -1 : a->entry->id > b->entry->id;
}

/* They come in the order of 'files.img', which is sorted. */
struct rinet *rinets_find(const struct rinets *all, uint32_t id)
{
	InetSkEntry entry = { .id = id };
	struct rinet key = { .entry = &entry };

	return all->count ? bsearch(&key, all->at, all->count, sizeof(key), by_id) : NULL;
}

static int check_group(const struct image *img, const InetGroup *g, struct err *e)
{
	bool good = (g->group.len == 4 || g->group.len == 16) && g->n_sources <= SOURCES_MAX;

	for (size_t i = 0; i < g->n_sources && good; i++)
		good = g->sources[i].len == g->group.len;
	return good ? 0 : err_say(e, "'%s' has a group that is none", img->name);
}

static int check_extra(const struct image *img, const InetExtraEntry *x, struct err *e)
{
	for (size_t i = 0; i < x->n_groups; i++)
		if (check_group(img, x->groups[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < x->n_options; i++)
		if (x->options[i]->value.len > VALUE_MAX)
			return err_say(e, "'%s' has an option of %zu bytes", img->name,
				       x->options[i]->value.len);
	return 0;
}

static int load_extra(struct restore *r, struct rinets *all, struct err *e)
{
	own_image img = {};
	int got = image_open(&img, r->images, IMG_INET_EXTRA, 0, e);

	if (got == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	while (got >= 0) {
		own_message InetExtraEntry *extra = NULL;
		struct rinet *s;

		got = image_read(&img, &inet_extra_entry__descriptor, &extra, e);
		if (got <= 0)
			break;
		if (check_extra(&img, extra, e) < 0)
			return e->code;
		s = rinets_find(all, extra->id);
		if (s && !s->extra)
			s->extra = take_mem(extra);
	}
	return got;
}

/* The address of a connection is more than a socket of its own: it says so in one sentence. */
static int check_option(const struct rinet *s, struct err *e)
{
	char here[64], there[64];

	if (s->r->opt->tcp_established)
		return 0;
	rinet_words(s, false, here, sizeof(here));
	rinet_words(s, true, there, sizeof(there));
	err_code(e, ENOTSUP, "it is a connection, tcp%s %s connected to %s",
		 s->entry->family == AF_INET6 ? "6" : "", here, there);
	return err_hint(e, "--tcp-established carries connections, --tcp-close closes them");
}

static int load_stream(struct rinet *s, struct err *e)
{
	own_image img = {};
	own_message TcpStreamEntry *t = NULL;
	int got;

	if (image_open(&img, s->r->images, IMG_TCP_STREAM, s->entry->ino, e) < 0)
		return e->code;
	got = image_read(&img, &tcp_stream_entry__descriptor, &t, e);
	if (got < 0)
		return got;
	if (got == 0 || t->inq_len > QUEUE_MAX || t->outq_len > QUEUE_MAX ||
	    t->unsq_len > t->outq_len || t->snd_wscale > WSCALE_MAX || t->rcv_wscale > WSCALE_MAX)
		return err_say(e, "'%s' has no connection that could be", img.name);
	if (image_take_extra(&img, t->inq_len, &s->received, e) < 0 ||
	    image_take_extra(&img, t->outq_len, &s->sent, e) < 0)
		return e->code;
	s->stream = take_mem(t);
	return 0;
}

static void add_pair(struct rinets *all, const struct rinet *s)
{
	all->pairs[all->pair_count++] = rinet_pair(s);
}

/* Most connections that have ended have left nothing. */
static int load_ended(struct rinets *all, struct rinet *s, struct err *e)
{
	int res = load_stream(s, e);

	if (res < 0 && res != -ENOENT)
		return rinet_blame(s, e);
	*e = (struct err){ 0 };
	if (!(s->extra && s->extra->reset) && !(s->stream && s->stream->inq_len))
		return 0;
	if (rinet_end_at_nobody(s, e) < 0)
		return e->code;
	all->some_ended = true;
	add_pair(all, s);
	return 0;
}

static int load_connections(struct restore *r, struct rinets *all, struct err *e)
{
	all->pairs = pool_array(&r->pool, struct netlock_pair, all->count + all->waiting_count + 1);
	for (size_t i = 0; i < all->waiting_count; i++)
		all->pairs[all->pair_count++] = all->waiting[i].connection.ends;
	for (size_t i = 0; i < all->count; i++) {
		struct rinet *s = &all->at[i];

		if (s->entry->type == SOCK_STREAM && s->entry->state == INETSK_CLOSE &&
		    load_ended(all, s, e) < 0)
			return e->code;
		if (!rinet_has_peer(s) || r->opt->tcp_close)
			continue;
		if (!s->entry->n_dst_addr)
			return err_say(e, "'files.img' has a connection %u to nowhere",
				       s->entry->id);
		if (check_option(s, e) < 0)
			return rinet_blame(s, e);
		if (s->entry->state == INETSK_SYN_SENT)
			continue;
		if (load_stream(s, e) < 0)
			return rinet_blame(s, e);
		add_pair(all, s);
	}
	return 0;
}

int rinets_load(struct restore *r, struct err *e)
{
	struct rinets *all = pool_new(&r->pool, struct rinets);

	r->files->inets = all;
	if (list(r, all, e) < 0)
		return e->code;
	if (!all->count)
		return 0;
	if (r->inventory->tcp_close && !r->opt->tcp_close) {
		err_say(e, "the images were made with --tcp-close");
		return err_hint(e, "restore them with it as well");
	}
	if (load_extra(r, all, e) < 0 || rinets_load_waiting(r, all, e) < 0 ||
	    rinets_load_datagrams(r, all, e) < 0)
		return e->code;
	return load_connections(r, all, e);
}

void rinets_close(struct restore *r)
{
	struct rinets *all = r->files->inets;

	for (size_t i = 0; all && i < all->count; i++) {
		struct rinet *s = &all->at[i];

		if (!s->given)
			own_close(&s->fd);
		free(s->received);
		free(s->sent);
		if (s->extra)
			protobuf_c_message_free_unpacked(&s->extra->base, NULL);
		if (s->stream)
			protobuf_c_message_free_unpacked(&s->stream->base, NULL);
	}
	if (!all)
		return;
	netlock_drop(&all->lock);
	for (size_t i = 0; i < all->waiting_count; i++)
		free(all->waiting[i].connection.data);
	free(all->waiting);
	rinets_forget_datagrams(all);
	free(all->at);
	r->files->inets = NULL;
}
