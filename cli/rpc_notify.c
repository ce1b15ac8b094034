/*
 * Notifications: the client is told of an event and answers that all is well. Whoever waits for that answer may be
 * asked to stop (a dump's guardian hands signals on), or may be alone by then; the target stands meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/options_set.h"
#include "cli/rpc.h"
#include "lib/own.h"

enum { LOOK_MS = 100 };

static const char *const with_pid[] = { "setup-namespaces", "post-restore" };

static const int stops[] = { SIGTERM, SIGINT, SIGHUP };

/* From before the client is told: its answer may be to have us stopped, and no look must come too late for that. */
static void hold_signals(sigset_t *before)
{
	sigset_t stop;

	sigemptyset(&stop);
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
		sigaddset(&stop, stops[i]);
	sigprocmask(SIG_BLOCK, &stop, before);
}

static int await_answer(int sock, int parent, struct err *e)
{
	struct pollfd answer = { .fd = sock, .events = POLLIN };
	bool over = false;
	sigset_t pending;

	while (!over && poll(&answer, 1, LOOK_MS) <= 0) {
		sigpending(&pending);
		for (size_t i = 0; i < ARRAY_SIZE(stops); i++)
			over |= sigismember(&pending, stops[i]) == 1;
		over |= getppid() != parent;
	}
	return over ? err_code(e, EINTR, "interrupted while the client was asked") : 0;
}

/* The answer to "query-ext-files" may name what else is from outside. */
static int take_external(struct rpc_job *job, const CriuOpts *opts, struct err *e)
{
	for (size_t i = 0; opts && i < opts->n_external; i++)
		if (set_external(&job->inv.opt, opts->external[i], e) < 0)
			return e->code;
	return 0;
}

static int take_answer(struct rpc_job *job, const struct event *event, struct err *e)
{
	CriuReq *answer = NULL;
	int r = rpc_receive(job->rpc->sock, &answer, e);

	if (r == 0)
		r = err_code(e, EPIPE, "the client has left");
	else if (r > 0 && (answer->type != CRIU_REQ_TYPE__NOTIFY || !answer->notify_success))
		r = err_code(e, ECANCELED, "the client has refused it");
	else if (r > 0 && strcmp(event->name, "query-ext-files") == 0)
		r = take_external(job, answer->opts, e);
	if (answer)
		criu_req__free_unpacked(answer, NULL);
	return r < 0 ? r : 0;
}

int rpc_tell(const struct client *c, const struct event *event, struct err *e)
{
	struct rpc_job *job = (struct rpc_job *)c;
	CriuNotify notify = CRIU_NOTIFY__INIT;
	CriuResp resp = CRIU_RESP__INIT;
	int parent = getppid(), r;
	sigset_t before;

	resp.type = CRIU_REQ_TYPE__NOTIFY;
	resp.success = true;
	resp.notify = &notify;
	notify.script = (char *)event->name;
	notify.pid = event->pid;
	for (size_t i = 0; i < ARRAY_SIZE(with_pid); i++)
		notify.has_pid |= strcmp(event->name, with_pid[i]) == 0;
	hold_signals(&before);
	r = rpc_send(job->rpc->sock, &resp, event->fd, e);
	if (r == 0)
		r = await_answer(job->rpc->sock, parent, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r < 0 || take_answer(job, event, e) < 0)
		return err_on(e, "notification '%s'", event->name);
	log_debug("notification '%s': answered", event->name);
	return 0;
}
