/*
 * UNIX sockets. They hang together, so they are made together: made and named (restore/fd/unixsk_name.c),
 * connected (unixsk_connect.c), filled (unixsk_fill.c); then what would be in the way of that: shut down, options, flags.
 *
 * A dry run makes sockets, but names and connects nothing, which others could see.
 */
#include "restore/fd/unixsk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "restore/sk_opts.h"

static int inherit(struct rsocket *s, struct err *e)
{
	char key[32];

	snprintf(key, sizeof(key), "socket:[%u]", s->entry->ino);
	if (rfiles_inherited(s->r, key, O_RDWR, &s->fd, e) < 0)
		return rsocket_blame(s, e);
	return 0;
}

static void warn(const struct rsocket *s)
{
	bool dropped = s->entry->uflags & UNIXSK_OUTSIDE ||
		       (s->extra && s->extra->outside && !s->peer);

	if (dropped && !s->stands_for && !rsocket_is_logging(s))
		log_warn("socket:[%u]: its peer was outside of the tree, so nobody is there now; "
			 "--inherit-fd 'fd[N]:socket:[%u]' gives it another one",
			 s->entry->ino, s->entry->ino);
}

static int set_owner(const struct rsocket *s, struct err *e)
{
	const UnixExtraEntry *x = s->extra;

	if (!x || !x->has_uid)
		return 0;
	if (fchown(s->fd, x->uid, x->gid) < 0 || fchmod(s->fd, x->mode & 07777) < 0)
		return err_sys(e, "set its owner and mode");
	return 0;
}

static int set_options(const struct rsocket *s, struct err *e)
{
	if (sk_opts_set(s->fd, s->entry->opts, e) < 0)
		return e->code;
	for (size_t i = 0; s->extra && i < s->extra->n_options; i++)
		if (sk_opts_set_number(s->fd, s->extra->options[i]->name,
				       s->extra->options[i]->value, e) < 0)
			return e->code;
	return 0;
}

static int finish(struct rsocket *s, struct err *e)
{
	int flags = s->entry->flags & (O_APPEND | O_NONBLOCK);

	if (s->entry->shutdown && shutdown(s->fd, s->entry->shutdown - 1) < 0)
		return err_sys(e, "shut it down");
	if (set_options(s, e) < 0 || set_owner(s, e) < 0)
		return e->code;
	if (flags && fcntl(s->fd, F_SETFL, flags) < 0)
		return err_sys(e, "set its flags, %#x", flags);
	warn(s);
	return 0;
}

static int for_made(struct rsockets *all, int (*part)(struct rsocket *, struct err *),
		    struct err *e)
{
	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (s->fd >= 0 && !s->inherited && part(s, e) < 0)
			return rsocket_blame(s, e);
	}
	return 0;
}

static int unixsk_prepare(struct restore *r, struct err *e)
{
	struct rsockets *all = r->files->sockets;

	for (size_t i = 0; i < all->count; i++) {
		struct rsocket *s = &all->at[i];

		if (s->inherited    ? inherit(s, e) < 0 :
		    r->opt->dry_run ? rsocket_new(s, &s->fd, e) < 0 :
				      0)
			return e->code;
	}
	if (r->opt->dry_run)
		return 0;
	if (rsockets_connect(all, e) < 0 || for_made(all, rsocket_fill, e) < 0)
		return e->code;
	return for_made(all, finish, e);
}

static int unixsk_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	struct rsocket *s = rsockets_find(r->files->sockets, f->usk->ino);

	if (s->fd < 0)
		return err_say(e, "the images do not say how it can be made");
	*ret_fd = s->fd;
	s->given = true;
	return 0;
}

static void unixsk_done(struct restore *r)
{
	if (r->files->sockets)
		r->files->sockets->done = true;
}

const struct fd_restore_kind unixsk_fd_restore_kind = {
	.name = "fd/unixsk",
	.type = FD_TYPES__UNIXSK,
	.load = rsockets_load,
	.prepare = unixsk_prepare,
	.make = unixsk_make,
	.done = unixsk_done,
	.close = rsockets_close,
};
