/*
 * Requests over a socket (docs/rpc.md): what the parts of it have in common. rpc_serve.c takes requests and answers
 * them, rpc_requests.c does what they ask for, rpc_setup.c makes their fields into options and opens what they name,
 * rpc_notify.c tells the client of events.
 */
#ifndef STASIS_CLI_RPC_H
#define STASIS_CLI_RPC_H

#include <stdbool.h>

#include "cli/options.h"
#include "cli/rpc.pb-c.h"
#include "lib/client.h"
#include "lib/log.h"
#include "lib/peer.h"
#include "lib/stats.h"

/* One connection. */
struct rpc {
	int sock;
	bool swrk; /* we are a process of the client's own: it may pass descriptors by inheritance */
	const struct options *base; /* what requests are laid over; NULL: the defaults */
};

/* Seen by the process that does the work and by the one that waits for it. */
struct rpc_shared {
	struct log_first first;
	bool answered;
};

struct rpc_job;

/* A type of request. */
struct rpc_kind {
	const char *name;	 /* in sentences: "cannot NAME" */
	enum command_id command; /* whose options these are; COMMAND_COUNT: it has none */
	bool keep_open;		 /* may be followed by another one if that was asked for */
	bool more;		 /* is followed by another one */
	bool here; /* of swrk: by the process itself, whose parent is to be that of the tasks */
	int (*run)(struct rpc_job *job, struct err *e);
	const char *failed; /* the last line of the log after a failure */
	/* What its process does when the client has the answer; nobody waits for its end. */
	int (*after)(struct rpc_job *job, struct err *e);
};

/* One request being worked on. */
struct rpc_job {
	struct client client; /* first: what dump and restore know of it */
	struct rpc *rpc;
	const CriuReq *req;
	const struct rpc_kind *kind;
	struct rpc_shared *shared;
	struct invocation inv;
	struct parse parse;
	struct peer peer;
	int images_at,
		work_at; /* what the client's descriptors are of (O_PATH), -1: none were named */
	CriuResp resp;
	CriuDumpResp dump;
	CriuRestoreResp restore;
	CriuFeatures features;
	CriuVersion version;
	CriuPageServerInfo ps;
	int listener; /* of a page server, -1: none */
	struct dump_stats dump_stats;
	struct restore_stats restore_stats;
};

/* All types; NULL: there is none of this number. */
const struct rpc_kind *rpc_kind(int type);

/* Takes requests until the client has no more. Returns an exit status. */
int rpc_serve(struct rpc *rpc);

/* 1: a message, which the caller frees; 0: the other side has closed. */
must_check int rpc_receive(int sock, CriuReq **ret, struct err *e);
/* fd: goes with it, -1: none. */
must_check int rpc_send(int sock, const CriuResp *resp, int fd, struct err *e);

/* Options, directories and log of a request; the rights of whoever asks. What fails is the request's fault. */
must_check int rpc_setup(struct rpc_job *job, struct err *e);
/*
 * After a failure of it: the log, if that can be had, since there are clients that name it to their users and do not pass on what the answer
 * says.
 */
void rpc_log_anyway(struct rpc_job *job);
/* The fields of a request into job->inv.opt, and then the configuration file that it names. */
must_check int rpc_options(struct rpc_job *job, struct err *e);
/* Something looks at this field of criu_opts. */
bool rpc_field_is_known(const char *name);
/* Whoever asks may see the process. */
must_check int rpc_may_trace(const struct client *c, int tid, struct err *e);
/* Sends a notification and waits until the client has agreed. */
must_check int rpc_tell(const struct client *c, const struct event *event, struct err *e);

#endif
