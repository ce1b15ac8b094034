/*
 * One connection: takes a request, has it worked on by a process of its own, and answers. What that process opens and
 * changes goes with it, and if it dies the client gets an answer all the same. A restore for 'swrk' is the exception: tasks
 * that are to be children of the client are born by its child, which is us.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/rpc.h"
#include "lib/own.h"

/* What every answer to this type of request has. */
static void begin_answer(struct rpc_job *job, CriuReqType type)
{
	job->resp = (CriuResp)CRIU_RESP__INIT;
	job->resp.type = type == CRIU_REQ_TYPE__PAGE_SERVER_CHLD ? CRIU_REQ_TYPE__PAGE_SERVER :
								   type;
	if (type == CRIU_REQ_TYPE__DUMP) {
		job->dump = (CriuDumpResp)CRIU_DUMP_RESP__INIT;
		job->dump.has_restored = true;
		job->resp.dump = &job->dump;
	} else if (type == CRIU_REQ_TYPE__RESTORE) {
		job->restore = (CriuRestoreResp)CRIU_RESTORE_RESP__INIT;
		job->restore.pid = -1;
		job->resp.restore = &job->restore;
	}
}

static void set_errno(CriuResp *resp, int code)
{
	resp->has_cr_errno = code != 0;
	resp->cr_errno = code;
}

/* Clients have cr_errno in these cases, and no others. */
static int errno_of(const struct rpc_job *job, bool set_up, const struct err *e)
{
	if (!set_up && e->code == -ESRCH)
		return ESRCH;
	if (!set_up && job->kind)
		return EBADRQC;
	if (job->kind && job->kind->command == COMMAND_RESTORE && e->code == -EEXIST)
		return EEXIST;
	if (job->kind && job->kind->command == COMMAND_CPUINFO && e->code == -ENOTSUP)
		return ENOTSUP;
	return 0;
}

static bool answer(struct rpc_job *job)
{
	struct err e = {};

	if (job->shared->first.line[0])
		job->resp.cr_errmsg = job->shared->first.line;
	job->shared->answered = true;
	if (rpc_send(job->rpc->sock, &job->resp, -1, &e) < 0) {
		log_error("%s", e.text);
		return false;
	}
	return job->resp.success;
}

/* The place where an error becomes text: in the log, and in the answer as its first line. */
static bool answer_failure(struct rpc_job *job, bool set_up, const struct err *e)
{
	char text[sizeof(e->text) + sizeof(e->hint) + 4];

	log_error("%s", err_text(e, text, sizeof(text)));
	if (set_up && job->kind && job->kind->failed)
		log_error("%s", job->kind->failed);
	job->resp.success = false;
	set_errno(&job->resp, errno_of(job, set_up, e));
	return answer(job);
}

static int prepare(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;

	job->inv.command = &commands[job->kind->command];
	if (job->kind->command == COMMAND_CPUINFO)
		job->inv.word = job->req->type == CRIU_REQ_TYPE__CPUINFO_DUMP ? "dump" : "check";
	job->parse.lacking = calloc(option_count, 2 * sizeof(bool));
	if (!job->parse.lacking)
		return err_sys(e, "memory for the options");
	job->parse.given = job->parse.lacking + option_count;
	job->parse.opt = &job->inv.opt;
	job->parse.program = "criu";
	job->inv.opt.dump_stats = &job->dump_stats;
	job->inv.opt.restore_stats = &job->restore_stats;
	job->inv.opt.client = &job->client;
	if (opts && opts->notify_scripts)
		job->client.tell = rpc_tell;
	return rpc_setup(job, e);
}

static void become(const struct rpc_job *job)
{
	char **words = job->inv.opt.exec_cmd;

	if (dup2(log_fd(), STDOUT_FILENO) < 0 || dup2(log_fd(), STDERR_FILENO) < 0)
		_exit(1);
	signal(SIGPIPE, SIG_DFL);
	execvp(words[0], words);
	log_error("the tasks are restored and run, but start '%s': %s", words[0], strerror(errno));
	_exit(1);
}

/* The work, whoever does it. */
static bool work(struct rpc_job *job)
{
	bool has_options = job->kind->command != COMMAND_COUNT;
	struct err e = {};

	log_keep_first(&job->shared->first);
	log_hold(job->inv.opt.verbosity);
	if (has_options && prepare(job, &e) < 0) {
		rpc_log_anyway(job);
		return answer_failure(job, false, &e);
	}
	if (job->kind->run(job, &e) < 0)
		return answer_failure(job, true, &e);
	job->resp.success = true;
	if (!answer(job))
		return false;
	if (job->inv.opt.exec_cmd)
		become(job);
	return true;
}

static bool answer_for_the_dead(struct rpc_job *job, int status)
{
	struct err e = {};

	err_code(&e, EINTR, "the process that was to %s ended by signal %d", job->kind->name,
		 WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	/* Killed at the very end, it may have been done. */
	if (job->kind->command == COMMAND_DUMP)
		err_hint(&e, "if there is an 'inventory.img' the dump is complete");
	log_keep_first(&job->shared->first);
	return answer_failure(job, true, &e);
}

/* The client has its answer, and the process that has given it goes on. */
static _Noreturn void go_on(struct rpc_job *job, int done)
{
	char text[sizeof(((struct err *)0)->text) + sizeof(((struct err *)0)->hint) + 4];
	struct err e = {};
	int r;

	prctl(PR_SET_PDEATHSIG, 0);
	(void)!write(done, "", 1);
	close(done);
	close(job->rpc->sock);
	r = job->kind->after(job, &e);
	if (r < 0)
		log_error("%s", err_text(&e, text, sizeof(text)));
	_exit(r < 0);
}

/* Until it has answered. False: it ends, or has ended. */
static bool await_answer(int heard)
{
	char c;
	ssize_t n;

	while ((n = read(heard, &c, 1)) < 0 && errno == EINTR)
		;
	return n == 1;
}

/* By a process of its own, which ends when we do. */
static bool work_apart(struct rpc_job *job)
{
	int parent = getpid(), status = 0, ends[2];
	struct err e = {};
	pid_t child;

	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(&e, "pipe"), answer_failure(job, true, &e);
	own_fd heard = ends[0];
	own_fd done = ends[1];
	child = fork();
	if (child < 0) {
		err_sys(&e, "fork");
		return answer_failure(job, true, &e);
	}
	if (child == 0) {
		bool good;

		prctl(PR_SET_PDEATHSIG, SIGTERM);
		good = getppid() == parent && work(job);
		fflush(NULL);
		if (good && job->kind->after)
			go_on(job, done);
		_exit(good ? 0 : 1);
	}
	own_close(&done);
	done = -1;
	if (job->kind->after && await_answer(heard))
		return true;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!job->shared->answered)
		return answer_for_the_dead(job, status);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool handle(struct rpc *rpc, const CriuReq *req, struct rpc_shared *shared)
{
	struct rpc_job job = { .rpc = rpc,
			       .req = req,
			       .shared = shared,
			       .images_at = -1,
			       .work_at = -1,
			       .listener = -1 };
	struct err e = {};
	bool here;

	*shared = (struct rpc_shared){};
	job.peer.pidfd = -1;
	job.kind = rpc_kind(req->type);
	begin_answer(&job, job.kind ? req->type : CRIU_REQ_TYPE__EMPTY);
	if (rpc->base)
		job.inv.opt = *rpc->base;
	else
		options_init(&job.inv.opt);
	if (!job.kind) {
		log_hold(LOG_LEVEL_WARN);
		log_keep_first(&shared->first);
		err_say(&e, "there is no request of type %d", (int)req->type);
		return answer_failure(&job, false, &e);
	}
	/* What is waited for is our child, whoever of us began it. */
	here = job.kind->here && (rpc->swrk || job.kind->command == COMMAND_COUNT);
	return here ? work(&job) : work_apart(&job);
}

static bool answer_garbage(struct rpc *rpc, struct rpc_shared *shared, const struct err *e)
{
	struct rpc_job job = { .rpc = rpc, .shared = shared };

	*shared = (struct rpc_shared){};
	log_hold(LOG_LEVEL_WARN); /* standard error may be the container's */
	log_keep_first(&shared->first);
	begin_answer(&job, CRIU_REQ_TYPE__EMPTY);
	return answer_failure(&job, false, e);
}

/* Returns true if another request may follow; *good is how this one went. */
static bool serve_one(struct rpc *rpc, struct rpc_shared *shared, bool *good)
{
	const struct rpc_kind *kind;
	CriuReq *req = NULL;
	struct err e = {};
	bool more = false;
	int r = rpc_receive(rpc->sock, &req, &e);

	if (r == 0)
		return false; /* what came before was good, or nothing came */
	*good = false;
	if (r < 0) {
		answer_garbage(rpc, shared, &e);
		return false;
	}
	kind = rpc_kind(req->type);
	if (!req->keep_open || !kind || kind->keep_open) {
		*good = handle(rpc, req, shared);
		more = kind && (req->keep_open || (kind->more && *good));
	}
	criu_req__free_unpacked(req, NULL);
	return more;
}

int rpc_serve(struct rpc *rpc)
{
	struct rpc_shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool good = false;

	if (shared == MAP_FAILED)
		return 1;
	while (serve_one(rpc, shared, &good))
		;
	munmap(shared, sizeof(*shared));
	return good ? 0 : 1;
}
