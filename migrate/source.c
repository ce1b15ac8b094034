/*
 * The words between a dump and the other side. All of this runs in the process that dumps, while the tree stands still but for
 * the rounds.
 */
#include "migrate/source.h"

#include <errno.h>
#include <string.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/netlink_address.h"
#include "lib/own.h"
#include "migrate/send_file.h"
#include "migrate/settle.h"
#include "migrate/tree.h"

enum { OWNED_SECONDS = 20, PATIENCE = 30 };

static int on_rounds(void *arg, struct err *e)
{
	struct source *s = arg;

	s->gathers = true;
	s->progress->phase = PHASE_ROUNDS;
	return channel_text(&s->channel, MESSAGE_GATHER, s->id, e);
}

static void on_round(void *arg, unsigned number, uint64_t bytes)
{
	struct source *s = arg;
	struct progress *p = s->progress;
	char more[100];

	p->round = number ? number : p->round + 1;
	p->rounds++;
	p->round_from = p->sent;
	p->expected = number == 1 ? p->memory : bytes;
	snprintf(more, sizeof(more), ", \"round\": %u, \"bytes\": %lu", p->round, p->expected);
	if (!number) {
		p->phase = PHASE_FROZEN;
		if (!p->frozen_at)
			p->frozen_at = io_now_us();
	}
	progress_event(p, number ? "round" : "last round", more);
}

static void on_written(void *arg, uint64_t bytes, uint64_t took_us)
{
	struct source *s = arg;

	s->progress->written = bytes;
	s->progress->written_us = took_us;
}

/* --- files that the tree writes ------------------------------------------------------------------- */

static int ask_same(struct source *s, char *text, size_t size, struct err *e)
{
	own_message_in m = { 0 };
	char *what;

	if (size == 0)
		return 0;
	if (channel_send(&s->channel, MESSAGE_CHECK, text, size, e) < 0 ||
	    channel_expect(&s->channel, MESSAGE_ANSWER, &m, 0, e) < 0)
		return e->code;
	if (m.size == 0)
		return 0;
	m.data[strcspn(m.data, "\n")] = 0;
	what = strchr(m.data, '\t');
	err_say(e, "what the tree has written is not on the other side: '%s'",
		what ? word_read(strtok(what + 1, "\t")) : m.data);
	return err_hint(e, "--with-files sends such files along");
}

static int settle_file(struct source *s, const struct wanted_file *f, FILE *to, struct err *e)
{
	if (!f->writes || !wanted_file_changed(&s->files, f))
		return 0;
	return s->opt->migrate.with_files ? send_file(&s->channel, f, e) :
					    wanted_file_say(f, to, e);
}

/* They stay as they are from now on, as far as it is up to the tree. */
static int settle_files(struct source *s, struct err *e)
{
	struct wanted_files now = { 0 };
	own_pids tree = { 0 };
	own_mem char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);
	int r;

	if (!to)
		return err_sys(e, "memory for a message");
	r = tree_pids(s->opt->tree, &tree, e);
	if (r == 0)
		r = wanted_files_find(&tree, &now, e);
	for (size_t i = 0; i < now.count && r == 0; i++)
		r = settle_file(s, &now.all[i], to, e);
	wanted_files_free(&now);
	fclose(to);
	return r < 0 ? r : ask_same(s, text, size, e);
}

static int on_frozen(void *arg, struct err *e)
{
	struct source *s = arg;

	if (settle_files(s, e) < 0)
		return e->code;
	return channel_text(&s->channel, MESSAGE_STREAM, s->id, e);
}

/* --- the end -------------------------------------------------------------------------------------- */

static int on_sent(void *arg, int (*asked)(void *guard, struct err *e), void *guard, struct err *e)
{
	struct source *s = arg;
	own_message_in m = { 0 };
	int r = 0;

	s->channel.go_on = asked;
	s->channel.arg = guard;
	s->progress->phase = PHASE_HANDOVER;
	if (s->gathers)
		r = settle_files(s, e);
	if (r == 0 && s->gathers)
		r = channel_text(&s->channel, MESSAGE_RESTORE, s->id, e);
	if (r == 0)
		r = channel_expect(&s->channel, MESSAGE_READY, &m, 0, e);
	s->channel.go_on = NULL;
	if (r == 0)
		progress_event(s->progress, "ready", "");
	return r;
}

/* The neighbours are told once more when it is gone here. */
static void move_address(struct source *s)
{
	struct err e = { 0 };

	if (!s->address[0])
		return;
	if (address_take_down(s->address, &e) < 0 ||
	    channel_text(&s->channel, MESSAGE_MOVED, s->address, &e) < 0)
		log_warn("%s", e.text);
}

/* Given up already, and nothing was heard. */
static enum handover_owner find_out(struct source *s, const struct err *why)
{
	struct err e = { 0 };
	enum handover_owner owner;

	log_warn("%s; it is asked who has the tree", why->text);
	progress_event(s->progress, "asking", "");
	owner = settle_ask_patiently(&s->transport, s->id, PATIENCE, &e);
	if (owner == OWNER_UNKNOWN)
		log_warn("nobody answers: %s", e.text);
	return owner;
}

static int on_commit(void *arg, enum handover_owner *ret, struct err *e)
{
	struct source *s = arg;
	own_message_in m = { 0 };
	struct err why = { 0 };

	if (channel_text(&s->channel, MESSAGE_COMMIT, s->id, &why) == 0 &&
	    channel_expect(&s->channel, MESSAGE_OWNED, &m, OWNED_SECONDS, &why) == 0)
		*ret = OWNER_THERE;
	else
		*ret = find_out(s, &why);
	if (*ret == OWNER_HERE) {
		*e = why;
		return record_change(&s->record, 1 << STATE_GIVEN, STATE_ABORTED, NULL, &why) < 0 ?
			       why.code :
			       e->code;
	}
	if (*ret == OWNER_THERE) {
		progress_event(s->progress, "owned", "");
		move_address(s);
	}
	return 0;
}

static int on_give(void *arg, const struct handover_tree *tree, struct err *e)
{
	struct source *s = arg;
	own_mem char *body = NULL;

	if (settle_describe(&s->transport, tree, s->address[0] ? s->address : NULL, &body, e) < 0 ||
	    record_change(&s->record, 1 << STATE_OFFERED, STATE_GIVEN, body, e) < 0)
		return e->code;
	progress_event(s->progress, "given", "");
	return 0;
}

void source_handover(struct source *s, struct handover *ret)
{
	*ret = (struct handover){
		.arg = s,
		.rounds = on_rounds,
		.round = on_round,
		.written = on_written,
		.frozen = on_frozen,
		.sent = on_sent,
		.give = on_give,
		.commit = on_commit,
		.sent_bytes = &s->progress->sent,
		.bandwidth = s->opt->migrate.bandwidth,
	};
}
