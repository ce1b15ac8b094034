/* What requests ask for: one row of a table for each type. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/check.h"
#include "cli/jobs.h"
#include "cli/rpc.h"
#include "cli/server.h"
#include "cli/version.h"
#include "images/cpuinfo.h"
#include "lib/kernel.h"
#include "lib/own.h"
#include "lib/status.h"

static int do_dump(struct rpc_job *job, struct err *e)
{
	job->client.may_trace = job->peer.owner ? NULL : rpc_may_trace;
	return job_dump(&job->inv.opt, e);
}

static int do_pre_dump(struct rpc_job *job, struct err *e)
{
	/* Its events are not told. */
	job->client.tell = NULL;
	return job_pre_dump(&job->inv.opt, e);
}

static int do_restore(struct rpc_job *job, struct err *e)
{
	int r = job_restore(&job->inv.opt, e);

	job->restore.pid = job->restore_stats.root_pid ? job->restore_stats.root_pid : -1;
	return r;
}

static int do_check(struct rpc_job *job, struct err *e)
{
	int r = check_run(&job->inv.opt, e);

	fflush(stdout);
	return r;
}

static int do_cpuinfo_dump(struct rpc_job *job, struct err *e)
{
	return cpuinfo_image_write(job->inv.opt.images_fd, e);
}

static int do_cpuinfo_check(struct rpc_job *job, struct err *e)
{
	unsigned caps = job->inv.opt.cpu_cap;

	return cpuinfo_image_check(job->inv.opt.images_fd, caps ? caps : CPU_CAP_ALL, e);
}

/* Yes only to what was asked for; what the kernel could do but nothing here uses is not there. */
static int do_features(struct rpc_job *job, struct err *e)
{
	const CriuFeatures *asked = job->req->features;
	CriuFeatures *f = &job->features;

	(void)e;
	*f = (CriuFeatures)CRIU_FEATURES__INIT;
	f->has_mem_track = f->has_lazy_pages = f->has_pidfd_store = true;
	f->mem_track = asked && asked->mem_track && kernel_has(KERNEL_MEM_DIRTY_TRACK);
	f->lazy_pages = asked && asked->lazy_pages && !commands[COMMAND_LAZY_PAGES].missing &&
			kernel_has(KERNEL_UFFD_NONCOOP);
	f->pidfd_store = asked && asked->pidfd_store && kernel_has(KERNEL_PIDFD_STORE);
	job->resp.features = f;
	return 0;
}

static int do_version(struct rpc_job *job, struct err *e)
{
	CriuVersion *v = &job->version;

	*v = (CriuVersion)CRIU_VERSION__INIT;
	if (sscanf(CRIU_VERSION, "%d.%d", &v->major_number, &v->minor_number) != 2)
		return err_say(e, "'%s' is no version", CRIU_VERSION);
	v->name = "stasis " STASIS_VERSION;
	job->resp.version = v;
	return 0;
}

static int do_wait_pid(struct rpc_job *job, struct err *e)
{
	pid_t pid = (pid_t)job->req->pid;
	int status;

	if (!job->req->has_pid || pid <= 0)
		return err_say(e, "there is no process to be waited for: field 'pid' is missing");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for pid %d", (int)pid);
	job->resp.has_status = true;
	job->resp.status = status;
	return 0;
}

/* Answered when it listens; then this process is the page server. */
static int do_page_server(struct rpc_job *job, struct err *e)
{
	int port;

	if (page_server_listen(&job->inv.opt, &job->listener, &port, e) < 0 ||
	    status_ready(&job->inv.opt, e) < 0)
		return e->code;
	job->ps = (CriuPageServerInfo)CRIU_PAGE_SERVER_INFO__INIT;
	job->ps.has_pid = job->ps.has_port = true;
	job->ps.pid = getpid();
	job->ps.port = port;
	job->resp.ps = &job->ps;
	return 0;
}

static int page_server_after(struct rpc_job *job, struct err *e)
{
	own_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fd != log_fd() && dup2(null, fd) < 0)
			return err_sys(e, "let go of standard input and output");
	/* There is nobody any more who would be told. */
	job->client.tell = NULL;
	return page_server_serve(&job->inv.opt, &job->listener, e);
}

#define KIND(type) [CRIU_REQ_TYPE__##type]
#define NO_OPTIONS .command = COMMAND_COUNT

static const struct rpc_kind kinds[] = {
	KIND(DUMP) = { "dump", COMMAND_DUMP, .run = do_dump, .failed = JOB_DUMP_FAILED },
	KIND(RESTORE) = { "restore", COMMAND_RESTORE, .here = true, .run = do_restore,
			  .failed = JOB_RESTORE_FAILED },
	KIND(CHECK) = { "check", COMMAND_CHECK, .run = do_check },
	KIND(PRE_DUMP) = { "pre-dump", COMMAND_PRE_DUMP, .more = true, .run = do_pre_dump,
			   .failed = JOB_PRE_DUMP_FAILED },
	KIND(PAGE_SERVER) = { "start a page server", COMMAND_PAGE_SERVER, .keep_open = true,
			      .run = do_page_server, .after = page_server_after },
	KIND(CPUINFO_DUMP) = { "dump what the processor can do", COMMAND_CPUINFO, .keep_open = true,
			       .run = do_cpuinfo_dump },
	KIND(CPUINFO_CHECK) = { "compare processors", COMMAND_CPUINFO, .keep_open = true,
				.run = do_cpuinfo_check },
	KIND(FEATURE_CHECK) = { "check features", NO_OPTIONS, .keep_open = true,
				.run = do_features },
	KIND(VERSION) = { "tell the version", NO_OPTIONS, .keep_open = true, .run = do_version },
	KIND(WAIT_PID) = { "wait for a process", NO_OPTIONS, .here = true, .run = do_wait_pid },
	KIND(PAGE_SERVER_CHLD) = { "start a page server", COMMAND_PAGE_SERVER, .keep_open = true,
				   .run = do_page_server, .after = page_server_after },
	KIND(SINGLE_PRE_DUMP) = { "pre-dump", COMMAND_PRE_DUMP, .run = do_pre_dump,
				  .failed = JOB_PRE_DUMP_FAILED },
};

const struct rpc_kind *rpc_kind(int type)
{
	if (type < 0 || (size_t)type >= ARRAY_SIZE(kinds) || !kinds[type].run)
		return NULL;
	return &kinds[type];
}
