/*
 * Moving a tree: the other side. It does what it is told by messages, up to the moment at which all stands ready to run. From
 * there on it decides who has the tree (record.h), and runs it only when that is on disk.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "images/stream.h"
#include "lib/handover.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/netlink_address.h"
#include "lib/own.h"
#include "migrate/migrate.h"
#include "migrate/offer.h"
#include "migrate/record.h"
#include "migrate/send_file.h"
#include "migrate/settle.h"

enum { WORD_SECONDS = 60, MOVED_SECONDS = 5 };

struct target {
	struct options *opt;
	tree_fn restore;
	struct channel channel;
	struct record record;
	struct taken_files files;
	char id[RECORD_ID + 1];
	bool address_is_up; /* by us */
	bool ended;
};

/* --- while all stands ready ----------------------------------------------------------------------- */

/* If nobody else has decided it yet. */
static int give_back(struct target *t, struct err *e)
{
	struct err ignored = { 0 };

	(void)!record_change(&t->record, 1 << STATE_READY, STATE_ABORTED, NULL, &ignored);
	return e->code;
}

static int on_ready(void *arg, int root, struct err *e)
{
	struct target *t = arg;
	own_message_in m = { 0 };
	own_mem char *body = NULL;

	if (settle_describe_root(root, &body, e) < 0 ||
	    record_change(&t->record, 1 << STATE_OFFERED, STATE_READY, body, e) < 0)
		return e->code;
	if (channel_text(&t->channel, MESSAGE_READY, "", e) < 0 ||
	    channel_expect(&t->channel, MESSAGE_COMMIT, &m, WORD_SECONDS, e) < 0)
		return give_back(t, e);
	return record_change(&t->record, 1 << STATE_READY, STATE_CLAIMED, NULL, e);
}

/* Nobody waits for us to say so: whoever has not heard it asks. */
static int on_own(void *arg, struct err *e)
{
	struct target *t = arg;
	struct err ignored = { 0 };

	if (record_change(&t->record, 1 << STATE_CLAIMED, STATE_OWNED, NULL, e) < 0)
		return e->code;
	if (channel_text(&t->channel, MESSAGE_OWNED, "", &ignored) < 0)
		log_debug("%s", ignored.text);
	if (t->opt->migrate.move_address)
		(void)!address_announce(t->opt->migrate.move_address, &ignored);
	return 0;
}

static int put_address_up(struct target *t, struct err *e)
{
	int r;

	if (!t->opt->migrate.move_address)
		return 0;
	r = address_put_up(t->opt->migrate.move_address, e);
	t->address_is_up = r == 0;
	return r < 0 ? r : 0;
}

static void put_address_down(struct target *t)
{
	struct err e = { 0 };

	if (t->address_is_up && address_take_down(t->opt->migrate.move_address, &e) < 0)
		log_warn("%s", e.text);
}

static int await_moved(struct target *t)
{
	own_message_in m = { 0 };
	struct err e = { 0 };

	if (!t->opt->migrate.move_address)
		return 0;
	/* Until it was gone over there, that side may have answered for it. */
	if (channel_expect(&t->channel, MESSAGE_MOVED, &m, MOVED_SECONDS, &e) < 0)
		log_debug("%s", e.text);
	if (address_announce(t->opt->migrate.move_address, &e) < 0)
		log_warn("%s", e.text);
	return 0;
}

static int start(struct target *t, bool stream, struct err *e)
{
	const struct handover h = { .arg = t, .ready = on_ready, .own = on_own };
	struct err ignored = { 0 };
	int r = put_address_up(t, e);

	t->opt->handover = &h;
	t->opt->stream = stream;
	t->opt->stream_fd = t->channel.in;
	t->opt->detached = true;
	if (r == 0)
		r = t->restore(t->opt, e);
	t->opt->handover = NULL;
	if (r < 0) {
		put_address_down(t);
		return r;
	}
	taken_files_end(&t->files, true);
	if (channel_text(&t->channel, MESSAGE_RUNNING, "", &ignored) < 0)
		log_debug("%s", ignored.text);
	t->ended = true;
	return await_moved(t);
}

/* --- messages ------------------------------------------------------------------------------------- */

static int on_offer(struct target *t, struct message *m, struct err *e)
{
	own_mem char *answer = NULL;
	char *rest = strchr(m->data, '\n');

	if (sscanf(m->data, "id\t%16s", t->id) != 1 || !record_is_name(t->id) || !rest)
		return err_code(e, EPROTO, "the offer has no name");
	t->files.id = t->id;
	if (offer_check(rest + 1, t->opt, &answer, e) < 0)
		return e->code;
	return channel_text(&t->channel, MESSAGE_ANSWER, answer, e);
}

static int on_check(struct target *t, struct message *m, struct err *e)
{
	own_mem char *answer = NULL;

	if (offer_check(m->data, t->opt, &answer, e) < 0)
		return e->code;
	return channel_text(&t->channel, MESSAGE_ANSWER, answer, e);
}

static int on_ask(struct target *t, struct message *m, struct err *e)
{
	static const char *const words[] = {
		[OWNER_HERE] = "here", [OWNER_THERE] = "there", [OWNER_UNKNOWN] = "unknown"
	};
	enum handover_owner owner = OWNER_UNKNOWN;

	if (settle_answer(m->data, &owner, e) < 0)
		return e->code;
	t->ended = true;
	return channel_text(&t->channel, MESSAGE_STATE, words[owner], e);
}

static int on_probe(struct target *t, struct message *m, struct err *e)
{
	(void)m;
	return channel_text(&t->channel, MESSAGE_PROBE, "", e);
}

static int on_file(struct target *t, struct message *m, struct err *e)
{
	return take_file(&t->channel, &t->files, m->data, e);
}

static int begin_record(struct target *t, struct err *e)
{
	if (!t->id[0])
		return err_code(e, EPROTO, "the tree was not offered before");
	if (t->record.fd >= 0)
		return err_code(e, EPROTO, "the tree has been sent already");
	record_forget_old();
	return record_create(&t->record, SIDE_TARGET, t->id, e);
}

static int on_gather(struct target *t, struct message *m, struct err *e)
{
	struct stream_in in;
	int r;

	(void)m;
	if (begin_record(t, e) < 0)
		return e->code;
	r = stream_in_begin(&in, t->channel.in, e);
	if (r == 0)
		r = stream_gather(&in, t->opt->images_fd, e);
	stream_in_drop(&in);
	return r;
}

static int on_stream(struct target *t, struct message *m, struct err *e)
{
	(void)m;
	return begin_record(t, e) < 0 ? e->code : start(t, true, e);
}

static int on_restore(struct target *t, struct message *m, struct err *e)
{
	(void)m;
	if (t->record.fd < 0)
		return err_code(e, EPROTO, "there is nothing to be restored");
	return start(t, false, e);
}

static int (*const handlers[])(struct target *t, struct message *m, struct err *e) = {
	[MESSAGE_OFFER] = on_offer,	[MESSAGE_PROBE] = on_probe,   [MESSAGE_FILE] = on_file,
	[MESSAGE_CHECK] = on_check,	[MESSAGE_GATHER] = on_gather, [MESSAGE_STREAM] = on_stream,
	[MESSAGE_RESTORE] = on_restore, [MESSAGE_ASK] = on_ask,
};

static int serve(struct target *t, struct err *e)
{
	if (channel_greet(&t->channel, e) < 0)
		return e->code;
	while (!t->ended) {
		own_message_in m = { 0 };

		if (channel_receive(&t->channel, &m, 0, e) < 0)
			return e->code;
		if (m.kind >= ARRAY_SIZE(handlers) || !handlers[m.kind])
			return err_code(e, EPROTO, "message %d is not known here", m.kind);
		if (handlers[m.kind](t, &m, e) < 0)
			return e->code;
	}
	return 0;
}

/* Nothing stays of one that came to nothing; of one that was decided the decision does. */
static void clear_away(struct target *t, int r)
{
	taken_files_end(&t->files, false);
	if (t->record.fd >= 0 && r < 0 && t->record.state == STATE_OFFERED)
		record_remove(&t->record);
	record_close(&t->record);
}

int receive_run(struct options *opt, tree_fn restore, int in, int out, struct err *e)
{
	struct target t = { .opt = opt,
			    .restore = restore,
			    .channel = { .in = in, .out = out },
			    .record = { .fd = -1 } };
	struct err ignored = { 0 };
	char text[sizeof(e->text) + sizeof(e->hint) + 4];
	int r = serve(&t, e);

	/* Who only wanted to know whether it fits goes away without a word. */
	if (r == -ENOTCONN && t.record.fd < 0)
		r = 0;
	clear_away(&t, r);
	if (r == 0)
		return 0;
	return channel_text(&t.channel, MESSAGE_REFUSED, err_text(e, text, sizeof(text)),
			    &ignored) == 0 ?
		       1 :
		       r;
}
