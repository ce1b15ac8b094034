/*
 * What comes before the work that a request asks for: who asks, what it may do, its options, directories and log. All
 * files are opened with the rights of whoever asks.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/rpc.h"
#include "cli/setup.h"
#include "images/latest.h"
#include "lib/caps.h"
#include "lib/own.h"
#include "lib/proc.h"

#define LOG_DEFAULT "criu.log"

int rpc_may_trace(const struct client *c, int tid, struct err *e)
{
	const struct rpc_job *job = (const struct rpc_job *)c;

	return peer_may_trace(&job->peer, tid, e);
}

/* What only a process of the client's own can have from it. */
static int refuse_in_service(const struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	const char *field = NULL;

	if (job->rpc->swrk || !opts)
		return 0;
	if (opts->n_inherit_fd)
		field = "inherit_fd";
	else if (opts->rst_sibling)
		field = "rst_sibling";
	else if (opts->ps && opts->ps->has_fd)
		field = "ps.fd";
	else if (opts->images_dir && opts->images_dir[0] != '/' && opts->images_dir_fd < 0)
		return err_say(e, "field 'images_dir': '%s' is not an absolute path",
			       opts->images_dir);
	if (!field)
		return 0;
	err_say(e, "field '%s' is for 'swrk' only: a service has nothing of its clients", field);
	return err_hint(e, "start 'stasis swrk FD' and ask that one");
}

/* What a user may do here who could not do it alone: have processes saved that are the user's own. */
static int check_rights(const struct rpc_job *job, struct err *e)
{
	enum command_id command = job->inv.command->id;
	unsigned allowed = ON_DUMP | ON_CPUINFO | ON_CHECK;

	if (job->peer.owner || allowed >> command & 1)
		return 0;
	err_code(e, EPERM, "user %d may not ask for '%s'", (int)job->peer.uid, job->kind->name);
	if (command == COMMAND_RESTORE)
		return err_hint(e, "images can name any user and any file: only one who has all "
				   "rights of stasis may have them restored");
	return err_hint(e, "only one who has all rights of stasis may");
}

/* A tree that stands still cannot wait for us, or answer. */
static int check_target(const struct rpc_job *job, struct err *e)
{
	int target = job->inv.opt.tree;
	int starts[] = { job->peer.pid, getpid() };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		for (int pid = starts[i]; pid > 0;) {
			struct err gone = { 0 };
			struct proc_stat stat;
			own_fd proc = -1;

			if (pid == target) {
				err_code(e, ENOTSUP, "pid %d is in the tree of pid %d, and asks",
					 starts[i], target);
				return err_hint(e, "ask from a process that is not saved itself");
			}
			if (proc_open(pid, &proc, &gone) < 0 ||
			    proc_stat_read(proc, &stat, &gone) < 0)
				break;
			pid = stat.ppid;
		}
	}
	if (kill(target, 0) < 0 && errno == ESRCH)
		return err_code(e, ESRCH, "there is no process %d", target);
	return peer_may_trace(&job->peer, target, e);
}

static int check_store(const struct rpc_job *job, struct err *e)
{
	own_fd fd = -1;
	struct stat st;

	if (!job->req->opts->has_pidfd_store_sk)
		return 0;
	/* Whose memory was counted is known without it: by what counts it. A socket cannot be opened, only looked at. */
	if (peer_open(&job->peer, job->req->opts->pidfd_store_sk, O_PATH, &fd, e) < 0)
		return err_on(e, "field 'pidfd_store_sk'");
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
		return 0;
	return err_say(e, "field 'pidfd_store_sk': descriptor %d is no socket",
		       job->req->opts->pidfd_store_sk);
}

/* By us, since nobody else may look into a process that has changed its user. What they are of is opened by whoever asks. */
static int find_folders(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	int flags = O_PATH | O_DIRECTORY;

	if (opts && opts->images_dir_fd >= 0 &&
	    peer_open(&job->peer, opts->images_dir_fd, flags, &job->images_at, e) < 0)
		return err_on(e, "field 'images_dir_fd'");
	if (opts && opts->has_work_dir_fd && opts->work_dir_fd >= 0 &&
	    peer_open(&job->peer, opts->work_dir_fd, flags, &job->work_at, e) < 0)
		return err_on(e, "field 'work_dir_fd'");
	return 0;
}

/* The configuration file counts most, then the descriptor, then the path. */
static int open_folder(const struct rpc_job *job, const char *option, int at, int *ret_fd,
		       struct err *e)
{
	const struct option_entry *entry = option_find(option);
	const char *path = *(char *const *)((const char *)&job->inv.opt + entry->text);
	bool config = job->parse.given[entry - option_table];
	own_fd fd = -1;

	if (at >= 0 && !config)
		path = ".";
	else
		at = AT_FDCWD;
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open directory '%s' of %s", path,
			       at >= 0 ? "the client's descriptor" : option);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_images(struct rpc_job *job, struct err *e)
{
	struct options *opt = &job->inv.opt;

	if (!opt->images_dir && job->images_at < 0)
		return err_say(e, "there is no directory of images: neither 'images_dir_fd' nor "
				  "'images_dir'");
	if (open_folder(job, "images-dir", job->images_at, &opt->images_fd, e) < 0)
		return e->code;
	return job->inv.command->id == COMMAND_RESTORE ? latest_follow(&opt->images_fd, e) : 0;
}

static int open_work(struct rpc_job *job, struct err *e)
{
	struct options *opt = &job->inv.opt;

	if (!opt->work_dir && job->work_at < 0)
		opt->work_fd = fcntl(opt->images_fd, F_DUPFD_CLOEXEC, 3);
	else if (open_folder(job, "work-dir", job->work_at, &opt->work_fd, e) < 0)
		return e->code;
	if (opt->work_fd < 0 || fchdir(opt->work_fd) < 0)
		return err_sys(e, "change to the work directory");
	return 0;
}

static int open_log(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	struct options *opt = &job->inv.opt;

	if (opt->log_file && strchr(opt->log_file, '/'))
		return err_say(e, "the log file '%s' is not in the work directory", opt->log_file);
	if (!opt->log_file && !(opts && opts->log_to_stderr)) {
		opt->log_file = strdup(LOG_DEFAULT);
		if (!opt->log_file)
			return err_sys(e, "memory for a name");
	}
	return setup_log(opt, e);
}

/* What only a request can say. A tree that runs on may become somebody else's meanwhile, by a program with the set-user-ID bit. */
static int restrict_options(struct rpc_job *job, struct err *e)
{
	struct options *opt = &job->inv.opt;

	if (opt->stream)
		return err_code(e, ENOTSUP,
				"option '--stream' is not for requests: there is no "
				"stream between client and stasis");
	opt->orphan_pts_master = job->client.tell && job->req->opts &&
				 job->req->opts->orphan_pts_master;
	if (job->peer.owner)
		return 0;
	if (opt->pages.server || opt->pages.lazy)
		return err_code(e, EPERM, "fields 'ps' and 'lazy_pages' are not for user %d",
				(int)job->peer.uid);
	opt->freeze = FREEZE_STOP;
	return opt->track_mem ? err_code(e, EPERM, "field 'track_mem' is not for user %d",
					 (int)job->peer.uid) :
				0;
}

int rpc_setup(struct rpc_job *job, struct err *e)
{
	enum command_id command = job->inv.command->id;
	bool saves = command == COMMAND_DUMP || command == COMMAND_PRE_DUMP;

	if (caps_privileged(e) < 0 || peer_read(job->rpc->sock, &job->peer, e) < 0 ||
	    check_rights(job, e) < 0 || refuse_in_service(job, e) < 0)
		return e->code;
	if (saves && !job->inv.opt.tree && !(job->req->opts && job->req->opts->has_pid)) {
		err_code(e, ENOTSUP, "a process cannot have itself saved yet");
		return err_hint(e, "name another one in the field 'pid'");
	}
	if (rpc_options(job, e) < 0 || restrict_options(job, e) < 0)
		return e->code;
	if ((saves || command == COMMAND_RESTORE) && peer_check_namespace(&job->peer, e) < 0)
		return e->code;
	if (saves && (check_target(job, e) < 0 || check_store(job, e) < 0))
		return e->code;
	if (command == COMMAND_CHECK)
		return 0;
	if (find_folders(job, e) < 0 || peer_act_as(&job->peer, e) < 0 || open_images(job, e) < 0 ||
	    open_work(job, e) < 0)
		return e->code;
	return open_log(job, e);
}

static int try_log(struct rpc_job *job, struct err *e)
{
	const CriuOpts *opts = job->req->opts;
	struct options *opt = &job->inv.opt;

	if (!opt->log_file && opts && opts->log_file)
		opt->log_file = strdup(opts->log_file);
	if (find_folders(job, e) < 0 || peer_act_as(&job->peer, e) < 0 || open_images(job, e) < 0 ||
	    open_work(job, e) < 0)
		return e->code;
	return open_log(job, e);
}

void rpc_log_anyway(struct rpc_job *job)
{
	struct err ignored = { 0 };

	if (job->peer.pidfd >= 0 && job->inv.opt.work_fd < 0)
		(void)!try_log(job, &ignored);
}
