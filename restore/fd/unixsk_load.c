/* UNIX sockets of the images, with what waits in them and what stasis keeps beside: read and checked before anything is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "images/image.h"
#include "images/task/creds.pb-c.h"
#include "lib/io.h"
#include "restore/fd/unixsk.h"
#include "restore/user_ns.h"

enum { NAME_MAX_SIZE = 110 };

static int by_inode(const void *va, const void *vb)
{
	const struct rsocket *a = va, *b = vb;

	return a->entry->ino < b->entry->ino ? -1 : a->entry->ino > b->entry->ino;
}

struct rsocket *rsockets_find(const struct rsockets *all, uint32_t inode)
{
	UnixSkEntry entry = { .ino = inode };
	struct rsocket key = { .entry = &entry };

	return all->count && inode ? bsearch(&key, all->at, all->count, sizeof(key), by_inode) :
				     NULL;
}

struct rsocket *rsockets_find_id(const struct rsockets *all, uint32_t id)
{
	const FileEntry *f = all->count ? rfiles_entry(all->at[0].r, id) : NULL;

	return f && f->usk ? rsockets_find(all, f->usk->ino) : NULL;
}

int rsocket_blame(const struct rsocket *s, struct err *e)
{
	return rfiles_blame(rfiles_find(s->r, s->entry->id), e);
}

static int check(const UnixSkEntry *s, struct err *e)
{
	bool dgram = s->type == SOCK_DGRAM;

	if (!dgram && s->type != SOCK_STREAM && s->type != SOCK_SEQPACKET)
		return err_say(e, "'files.img' has UNIX socket %u of the type %u", s->id, s->type);
	if (s->state != UNIXSK_ESTABLISHED && s->state != UNIXSK_CLOSE &&
	    (s->state != UNIXSK_LISTEN || dgram))
		return err_say(e, "'files.img' has UNIX socket %u in the state %u", s->id,
			       s->state);
	if (s->name.len > NAME_MAX_SIZE)
		return err_say(e, "'files.img' has UNIX socket %u with a name of %zu bytes", s->id,
			       s->name.len);
	return 0;
}

static int list(struct restore *r, struct rsockets *all, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		const struct rfile *f = &r->files->files[i];

		if (f->entry->type != FD_TYPES__UNIXSK)
			continue;
		if (check(f->entry->usk, e) < 0 ||
		    io_grow(&all->at, all->count, sizeof(*all->at), e) < 0)
			return e->code;
		all->at[all->count++] = (struct rsocket){
			.r = r, .entry = f->entry->usk, .fd = -1, .other = -1, .file = -1
		};
	}
	if (all->count)
		qsort(all->at, all->count, sizeof(*all->at), by_inode);
	for (size_t i = 1; i < all->count; i++)
		if (all->at[i].entry->ino == all->at[i - 1].entry->ino)
			return err_say(e, "'files.img' has socket:[%u] twice",
				       all->at[i].entry->ino);
	return 0;
}

static int may_be_missing(int result, struct err *e)
{
	if (result != -ENOENT)
		return result;
	*e = (struct err){ 0 };
	return 0;
}

static int load_extra(struct restore *r, struct rsockets *all, struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_UNIX_EXTRA, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message UnixExtraEntry *extra = NULL;
		struct rsocket *s;

		got = image_read(&img, &unix_extra_entry__descriptor, &extra, e);
		if (got <= 0)
			return got;
		s = rsockets_find_id(all, extra->id);
		if (extra->peer_name.len > NAME_MAX_SIZE)
			return err_say(e, "'%s' has a name of %zu bytes", img.name,
				       extra->peer_name.len);
		for (size_t i = 0; i < extra->n_from; i++)
			if (extra->from[i]->name.len > NAME_MAX_SIZE)
				return err_say(e, "'%s' has a name of %zu bytes", img.name,
					       extra->from[i]->name.len);
		if (s && !s->extra)
			s->extra = take_mem(extra);
	}
}

static int add_message(struct rsocket *s, struct message m, struct err *e)
{
	if (io_grow(&s->messages, s->message_count, sizeof(*s->messages), e) < 0)
		return e->code;
	s->messages[s->message_count++] = m;
	return 0;
}

/* What is on its way is made even if nobody has it. */
static int load_rights(const struct rsocket *s, const SkPacketEntry *packet, struct message *ret,
		       struct err *e)
{
	const ScmEntry *scm = packet->n_scm ? packet->scm[0] : NULL;

	if (!scm)
		return 0;
	if (packet->n_scm > 1 || scm->type != SCM_RIGHTS || scm->n_rights > RIGHTS_MAX)
		return err_say(e, "'sk-queues.img' has a message with what cannot be sent");
	for (size_t i = 0; i < scm->n_rights; i++) {
		struct rfile *f = rfiles_find(s->r, scm->rights[i]);

		if (!f || !f->kind)
			return err_say(
				e, "a descriptor of file %u waits in a message for it, which %s",
				scm->rights[i],
				f ? "is of a kind that is not supported yet" :
				    "is not in 'files.img'");
		f->sent = true;
	}
	ret->right_count = scm->n_rights;
	ret->rights = pool_copy(&s->r->pool, scm->rights, scm->n_rights * sizeof(uint32_t));
	return 0;
}

static int load_message(struct image *img, const struct rsockets *all, const SkPacketEntry *packet,
			struct err *e)
{
	struct rsocket *s = rsockets_find_id(all, packet->id_for);
	struct message m = { .size = packet->length };
	own_mem char *bytes = NULL;

	if (image_take_extra(img, packet->length, &bytes, e) < 0)
		return e->code;
	if (!s)
		return 0; /* of another kind of socket */
	m.bytes = bytes;
	if (load_rights(s, packet, &m, e) < 0)
		return rsocket_blame(s, e);
	if (add_message(s, m, e) < 0)
		return e->code;
	take_mem(bytes);
	return 0;
}

static int load_queues(struct restore *r, const struct rsockets *all, struct err *e)
{
	own_image img = {};
	int got;

	if (image_open(&img, r->images, IMG_SK_QUEUES, 0, e) < 0)
		return e->code;
	for (;;) {
		own_message SkPacketEntry *packet = NULL;

		got = image_read(&img, &sk_packet_entry__descriptor, &packet, e);
		if (got <= 0)
			return got;
		if (load_message(&img, all, packet, e) < 0)
			return e->code;
	}
}

static bool is_stream(const struct rsocket *s)
{
	return s->entry->type != SOCK_DGRAM;
}

/* Who has the name of this one, which it got by being accepted: a listening socket if there is one. */
static void find_namesake(struct rsockets *all, struct rsocket *s)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *o = &all->at[i];
		bool files = s->extra && o->extra && s->extra->has_file_ino &&
			     o->extra->has_file_ino;

		if (o == s || o->entry->type != s->entry->type || o->stands_for ||
		    !rsocket_same_name(&o->entry->name, &s->entry->name) ||
		    (files && s->extra->file_ino != o->extra->file_ino))
			continue;
		if (!s->name_of || o->entry->state == UNIXSK_LISTEN)
			s->name_of = o;
	}
}

static bool same_cred(const struct rsocket *a, const struct rsocket *b)
{
	const UnixCred *x = a->extra ? a->extra->peer : NULL;
	const UnixCred *y = b->extra ? b->extra->peer : NULL;

	return !x || !y || (x->pid == y->pid && x->uid == y->uid && x->gid == y->gid);
}

static bool listens(const struct rsocket *s)
{
	return s && s->entry->state == UNIXSK_LISTEN;
}

/* Two ends of one connection: did one come out of a listening socket? Then it has the name of that one. */
static void find_accepted(struct rsocket *s)
{
	struct rsocket *p = s->peer;

	if (!s->entry->name.len || s->entry->state != UNIXSK_ESTABLISHED || !is_stream(s))
		return;
	if (!p) {
		s->accepted = s->name_of;
		return;
	}
	if (p->accepted || listens(p))
		return;
	if (!p->entry->name.len || listens(s->name_of))
		s->accepted = s->name_of || !same_cred(s, p);
	else
		s->accepted = s->name_of && !listens(p->name_of) && !p->name_of;
}

static int match(struct rsocket *s, struct rsockets *all, struct err *e)
{
	const UnixSkEntry *entry = s->entry;
	bool outside = entry->uflags & UNIXSK_OUTSIDE || (s->extra && s->extra->outside);

	s->stands_for = entry->uflags & UNIXSK_OUTSIDE && !rfiles_find(s->r, entry->id)->owner;
	s->peer = entry->state == UNIXSK_LISTEN ? NULL : rsockets_find(all, entry->peer);
	if (!entry->peer || s->peer || outside || s->stands_for ||
	    entry->state != UNIXSK_ESTABLISHED)
		return 0;
	err_say(e, "its peer, socket:[%u], is not in the images", entry->peer);
	return err_hint(e, "give a socket in its place with --inherit-fd 'fd[N]:socket:[%u]'",
			entry->ino);
}

static int match_all(struct restore *r, struct rsockets *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];
		char key[32];

		snprintf(key, sizeof(key), "socket:[%u]", s->entry->ino);
		s->inherited = options_inherited(r->opt, key) >= 0;
		if (!s->inherited && match(s, all, e) < 0)
			return rsocket_blame(s, e);
	}
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].entry->name.len)
			find_namesake(all, &all->at[i]);
	for (size_t i = 0; i < all->count; i++)
		find_accepted(&all->at[i]);
	return 0;
}

static void add_cred(struct rsocket *s, const struct rsocket *owner)
{
	const struct rtask *t = rfiles_find(s->r, owner->entry->id)->owner;
	const CredsEntry *creds =
		t && t->core && t->core->thread_core ? t->core->thread_core->creds : NULL;
	UnixCred *cred;

	if (!creds)
		return;
	s->extra = calloc(1, sizeof(*s->extra));
	cred = calloc(1, sizeof(*cred));
	if (!s->extra || !cred) {
		free(cred);
		return;
	}
	unix_extra_entry__init(s->extra);
	unix_cred__init(cred);
	s->extra->id = s->entry->id;
	s->extra->peer = cred;
	cred->pid = t->pid;
	cred->uid = ruser_outside(t->restore, creds->euid, false);
	cred->gid = ruser_outside(t->restore, creds->egid, true);
}

/* CRIU's images do not say who has made a connection. Most likely those who have it. */
static void guess_creds(struct rsockets *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (s->extra || s->stands_for || s->entry->type == SOCK_DGRAM)
			continue;
		if (s->entry->state == UNIXSK_LISTEN)
			add_cred(s, s);
		else if (s->peer)
			add_cred(s, s->peer);
	}
}

int rsockets_load(struct restore *r, struct err *e)
{
	struct rsockets *all = pool_new(&r->pool, struct rsockets);

	r->files->sockets = all;
	if (list(r, all, e) < 0)
		return e->code;
	if (!all->count)
		return 0;
	if (may_be_missing(load_extra(r, all, e), e) < 0 ||
	    may_be_missing(load_queues(r, all, e), e) < 0)
		return e->code;
	if (match_all(r, all, e) < 0)
		return e->code;
	guess_creds(all);
	return 0;
}

void rsockets_close(struct restore *r)
{
	struct rsockets *all = r->files->sockets;

	for (size_t i = 0; all && i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (!all->done)
			rsocket_remove_file(s);
		if (!s->given)
			own_close(&s->fd);
		own_close(&s->other);
		own_close(&s->file);
		for (size_t k = 0; k < s->message_count; k++)
			free(s->messages[k].bytes);
		free(s->messages);
		if (s->extra)
			protobuf_c_message_free_unpacked(&s->extra->base, NULL);
	}
	if (all)
		free(all->at);
	r->files->sockets = NULL;
}
