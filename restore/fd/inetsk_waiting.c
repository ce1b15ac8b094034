/*
 * Connections that wait in a listening socket until somebody accepts them. They are put there last of all, right before the tree can run (lib/backlog.h says
 * how): when the socket is closed they are told that they have ended, which the network lock has to keep from the other side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/fd/inetsk.h"

enum { PORT_MAX = 65535, QUEUE_MAX = 1 << 30, WSCALE_MAX = 14, MSS_MAX = 65535 };

static bool is_good(const InetWaitingEntry *w)
{
	return (w->here.len == 4 || w->here.len == 16) && w->there.len == w->here.len &&
	       w->here_port && w->here_port <= PORT_MAX && w->there_port &&
	       w->there_port <= PORT_MAX && w->length <= QUEUE_MAX && w->snd_wscale <= WSCALE_MAX &&
	       w->rcv_wscale <= WSCALE_MAX && w->mss_clamp && w->mss_clamp <= MSS_MAX;
}

static void fill_address(const struct options *opt, uint8_t *to, const ProtobufCBinaryData *from)
{
	uint32_t words[4];

	memcpy(words, from->data, from->len);
	rinet_rebind(opt, words, from->len / 4);
	memcpy(to, words, from->len);
}

static void fill(const struct options *opt, const InetWaitingEntry *w, struct backlog_connection *c)
{
	c->ends.six = w->here.len == 16;
	fill_address(opt, c->ends.here, &w->here);
	fill_address(opt, c->ends.there, &w->there);
	c->ends.here_port = w->here_port;
	c->ends.there_port = w->there_port;
	c->sent = w->outq_seq;
	c->received = w->inq_seq;
	c->size = w->length;
	c->window = w->snd_wnd;
	c->mss = w->mss_clamp;
	c->options = w->opt_mask;
	c->snd_wscale = w->snd_wscale;
	c->rcv_wscale = w->rcv_wscale;
	c->timestamp = w->timestamp;
	c->ended = w->ended;
	c->reset = w->reset;
}

static int check_option(const struct rinet *s, struct err *e)
{
	if (s->r->opt->tcp_established)
		return 0;
	err_code(e, ENOTSUP, "connections that were not accepted yet wait in it");
	err_hint(e, "--tcp-established carries them, --tcp-close closes them");
	return rinet_blame(s, e);
}

static int add(struct rinets *all, struct rinet *s, struct image *img, const InetWaitingEntry *w,
	       struct err *e)
{
	struct rinet_waiting *at;

	if (!is_good(w) || !s || s->entry->state != INETSK_LISTEN ||
	    w->here_port != s->entry->src_port)
		return err_say(e, "'%s' has a connection that could not be", img->name);
	if (io_grow(&all->waiting, all->waiting_count, sizeof(*at), e) < 0)
		return e->code;
	at = &all->waiting[all->waiting_count];
	*at = (struct rinet_waiting){ .s = s };
	fill(s->r->opt, w, &at->connection);
	if (image_take_extra(img, w->length, &at->connection.data, e) < 0)
		return e->code;
	all->waiting_count++;
	return check_option(s, e);
}

int rinets_load_waiting(struct restore *r, struct rinets *all, struct err *e)
{
	own_image img = {};
	int got = r->opt->tcp_close ? -ENOENT : image_open(&img, r->images, IMG_INET_WAITING, 0, e);

	if (got == -ENOENT) {
		*e = (struct err){ 0 };
		return 0;
	}
	while (got >= 0) {
		own_message InetWaitingEntry *w = NULL;

		got = image_read(&img, &inet_waiting_entry__descriptor, &w, e);
		if (got <= 0)
			break;
		got = add(all, rinets_find(all, w->id), &img, w, e);
	}
	return got;
}

static int fill_queue(const struct rinet *s, struct backlog_connection *all, size_t count,
		      struct err *e)
{
	/* One that takes fewer by now than it took then. */
	if (count > s->entry->backlog && listen(s->fd, count) < 0)
		return err_sys(e, "listen");
	if (backlog_fill(s->fd, all, count, e) < 0)
		return rinet_blame(s, e);
	return count > s->entry->backlog && listen(s->fd, s->entry->backlog) < 0 ?
		       err_sys(e, "listen") :
		       0;
}

int rinets_fill_waiting(const struct rinets *all, struct err *e)
{
	own_mem struct backlog_connection *at = malloc((all->waiting_count + 1) * sizeof(*at));

	if (!at)
		return err_sys(e, "memory for connections that wait");
	for (size_t i = 0, n; i < all->waiting_count; i += n) {
		const struct rinet *s = all->waiting[i].s;

		for (n = 0; i + n < all->waiting_count && all->waiting[i + n].s == s; n++)
			at[n] = all->waiting[i + n].connection;
		if (fill_queue(s, at, n, e) < 0)
			return e->code;
	}
	return 0;
}
