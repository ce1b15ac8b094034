/* What a person asks of a migration that was cut off: --status, --resume, --abort. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/own.h"
#include "migrate/migrate.h"
#include "migrate/record.h"
#include "migrate/settle.h"

/* As the record has it. */
struct asked {
	char host[256], program[1024], command[1024];
	char *words[1];
	struct transport transport;
};

static int load_transport(const struct record *r, struct asked *a, struct err *e)
{
	*a = (struct asked){ .words = { NULL } };
	if (!record_value(r, "host", a->host, sizeof(a->host)) ||
	    !record_value(r, "program", a->program, sizeof(a->program)))
		return err_say(e, "the record of %s does not say where the tree went", r->id);
	a->transport =
		(struct transport){ .host = a->host, .program = a->program, .words = a->words };
	if (record_value(r, "transport", a->command, sizeof(a->command)))
		a->transport.command = a->command;
	return 0;
}

/* The tree of a migration that has left a record on this side. */
static int open_here(struct record *r, const char *id, struct err *e)
{
	int res = record_open(r, SIDE_SOURCE, id, e);

	if (res != -ENOENT)
		return res;
	*e = (struct err){ 0 };
	res = record_open(r, SIDE_TARGET, id, e);
	if (res == -ENOENT)
		err_code(e, ENOENT, "nothing is known here of a migration %s", id);
	return res;
}

/* --- --status ------------------------------------------------------------------------------------- */

static const char *meaning(const struct record *r)
{
	static const char *const source[] = {
		[STATE_OFFERED] = "it runs here",
		[STATE_GIVEN] =
			"it stands still here until it is known whether the other side has it",
		[STATE_DONE] = "it has moved",
		[STATE_ABORTED] = "it runs here",
	};
	static const char *const target[] = {
		[STATE_OFFERED] = "it does not run here",
		[STATE_READY] = "it does not run here",
		[STATE_CLAIMED] = "it is being started here",
		[STATE_OWNED] = "it belongs here",
		[STATE_ABORTED] = "it does not run here, and will not",
	};
	const char *text = r->side == SIDE_SOURCE ? source[r->state] : target[r->state];

	return text ? text : "that makes no sense";
}

static void show(const struct record *r)
{
	char host[256], task[64] = "";

	record_value(r, "task", task, sizeof(task));
	task[strcspn(task, " ")] = 0;
	printf("%s %s %s: %s", r->id, record_side_word(r->side), record_word(r->state), meaning(r));
	if (task[0])
		printf(" (pid %s)", task);
	if (r->side == SIDE_SOURCE && record_value(r, "host", host, sizeof(host)))
		printf("; the other side is %s", host);
	printf("%s\n", record_is_alive(r) ? "; stasis is at work on it" : "");
}

static void show_found(enum record_side side, const char *id, void *arg)
{
	own_record r = { .fd = -1 };
	struct err e = { 0 };

	(void)arg;
	if (record_open(&r, side, id, &e) == 0)
		show(&r);
	else
		printf("%s %s: %s\n", id, record_side_word(side), e.text);
}

int migrate_status(const struct options *opt, struct err *e)
{
	own_record r = { .fd = -1 };

	if (!opt->migrate.status)
		return record_list(show_found, NULL, e);
	if (open_here(&r, opt->migrate.status, e) < 0)
		return e->code;
	show(&r);
	return 0;
}

/* --- --resume, --abort ---------------------------------------------------------------------------- */

static int check_idle(const struct record *r, struct err *e)
{
	return record_is_alive(r) ? err_code(e, EBUSY, "stasis is still at work on it") : 0;
}

/* The other side decides, and what it says is carried out. 1: it is there. */
static int carry_out(struct record *r, enum handover_owner owner, struct err *e)
{
	int res = owner == OWNER_THERE ? settle_there(r, e) : settle_here(r, e);

	if (res == 0)
		show(r);
	return res < 0 ? res : owner == OWNER_THERE;
}

static int settle_source(struct record *r, bool force, struct err *e)
{
	enum handover_owner owner = OWNER_UNKNOWN;
	struct asked a;
	int res;

	if (r->state != STATE_GIVEN) {
		if (r->state == STATE_OFFERED)
			record_remove(r);
		else
			show(r);
		return 0;
	}
	if (load_transport(r, &a, e) < 0)
		return e->code;
	res = settle_ask(&a.transport, r->id, &owner, e);
	if (res == 0 && owner != OWNER_UNKNOWN)
		return carry_out(r, owner, e);
	if (force) {
		*e = (struct err){ 0 };
		return carry_out(r, OWNER_HERE, e);
	}
	if (res == 0)
		err_code(e, EAGAIN, "the other side does not know yet");
	return err_on(e, "'%s' cannot be asked, and the tree stays as it is", a.host);
}

/* Here it is decided, which is the same as being asked. */
static int settle_target(struct record *r, struct err *e)
{
	enum handover_owner owner;
	own_record now = { .fd = -1 };

	if (settle_answer(r->id, &owner, e) < 0 || record_open(&now, SIDE_TARGET, r->id, e) < 0)
		return e->code;
	show(&now);
	return owner == OWNER_THERE;
}

static int settle(const char *id, bool force, struct record *r, struct err *e)
{
	if (open_here(r, id, e) < 0 || check_idle(r, e) < 0)
		return e->code;
	return r->side == SIDE_SOURCE ? settle_source(r, force, e) : settle_target(r, e);
}

int migrate_resume(const struct options *opt, const char *id, struct err *e)
{
	own_record r = { .fd = -1 };
	int res = settle(id, false, &r, e);

	(void)opt;
	return res < 0 ? res : 0;
}

int migrate_abort(const struct options *opt, const char *id, struct err *e)
{
	own_record r = { .fd = -1 };
	int res = settle(id, opt->migrate.force, &r, e);

	if (res <= 0)
		return res;
	return err_code(e, EEXIST, "it is too late: the tree has moved");
}
