/* Action scripts; see scripts.h. They inherit nothing but the log, as standard output and error. */
#include "lib/scripts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/own.h"

/* In the child: only returns if the program cannot be started. */
static void become(const char *path, const char *event, const char *images, int init_pid)
{
	char pid[16];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	snprintf(pid, sizeof(pid), "%d", init_pid);
	if (setenv("CRTOOLS_SCRIPT_ACTION", event, 1) < 0 ||
	    setenv("CRTOOLS_IMAGE_DIR", images, 1) < 0 ||
	    (init_pid ? setenv("CRTOOLS_INIT_PID", pid, 1) : unsetenv("CRTOOLS_INIT_PID")) < 0 ||
	    dup2(log_fd(), STDOUT_FILENO) < 0 || dup2(log_fd(), STDERR_FILENO) < 0)
		return;
	close(STDIN_FILENO);
	execl(path, path, (char *)NULL);
}

/* The error of a start that fails comes through the pipe, which a start that works closes. */
static int start(const struct options *opt, const char *path, const char *event, int init_pid,
		 pid_t *ret_pid)
{
	char images[64];
	int ends[2], code = 0;
	pid_t pid;

	snprintf(images, sizeof(images), "/proc/%d/fd/%d", getpid(), opt->images_fd);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		become(path, event, images, init_pid);
		code = errno;
		if (write(ends[1], &code, sizeof(code)) < 0)
			_exit(126);
		_exit(127);
	}
	close(ends[1]);
	if (pid < 0 || read(ends[0], &code, sizeof(code)) < 0)
		code = errno;
	close(ends[0]);
	*ret_pid = pid;
	return -code;
}

static int run_one(const struct options *opt, const char *path, const char *event, int init_pid,
		   struct err *e)
{
	pid_t pid = -1;
	int status = 0;
	int r = start(opt, path, event, init_pid, &pid);

	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (r < 0)
		return err_res(e, r, "start action script '%s' for %s", path, event);
	if (WIFSIGNALED(status))
		return err_say(e, "action script '%s' for %s was killed by signal %d", path, event,
			       WTERMSIG(status));
	if (WEXITSTATUS(status))
		return err_say(e, "action script '%s' for %s ended with status %d", path, event,
			       WEXITSTATUS(status));
	return 0;
}

bool scripts_wanted(const struct options *opt)
{
	return opt->action_scripts.count || (opt->client && opt->client->tell);
}

int scripts_tell(const struct options *opt, const struct event *event, struct err *e)
{
	if (!opt->client || !opt->client->tell)
		return 0;
	return opt->client->tell(opt->client, event, e);
}

static int failure_of(const char *event)
{
	return strcmp(event, "post-dump") == 0 ? -ECANCELED : -EINVAL;
}

int scripts_run(const struct options *opt, const char *event, int init_pid, struct err *e)
{
	bool failed = false;

	if (scripts_tell(opt, &(struct event){ event, init_pid, -1 }, e) < 0)
		return e->code = failure_of(event);
	for (size_t i = opt->action_scripts.count; i-- > 0;) {
		const char *path = opt->action_scripts.item[i];
		struct err this = {};

		log_debug("action script '%s' for %s", path, event);
		if (run_one(opt, path, event, init_pid, &this) == 0)
			continue;
		if (failed)
			log_warn("%s", this.text);
		else
			*e = this;
		failed = true;
	}
	if (!failed)
		return 0;
	return e->code = failure_of(event);
}
