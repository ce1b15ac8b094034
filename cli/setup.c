/* What comes before a command, in CRIU's order, on which relative paths depend; see setup.h. */
#include "cli/setup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/version.h"
#include "images/latest.h"
#include "images/stream.h"
#include "lib/caps.h"
#include "lib/log.h"
#include "lib/own.h"

void setup_stdio(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(1);
	}
}

static int open_directory(const char *path, int *ret_fd, struct err *e)
{
	own_fd fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open directory '%s'", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int setup_log(const struct options *opt, struct err *e)
{
	struct utsname kernel;
	int fd = STDERR_FILENO;

	if (opt->log_file && strcmp(opt->log_file, "-") == 0)
		fd = STDOUT_FILENO;
	else if (opt->log_file)
		fd = openat(opt->work_fd, opt->log_file,
			    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create log '%s'", opt->log_file);
	log_setup(fd, opt->verbosity);
	if (opt->log_pid && fd > STDERR_FILENO)
		log_split(opt->work_fd, opt->log_file);
	uname(&kernel);
	log_info("Version: %s (stasis %s)", CRIU_VERSION, STASIS_VERSION);
	log_info("Running on %s %s %s %s", kernel.sysname, kernel.release, kernel.version,
		 kernel.machine);
	return 0;
}

/* One word among the stream, and nobody can restore it. */
static int check_error(struct err *e)
{
	struct stat out, err;

	if (fstat(STDOUT_FILENO, &out) < 0 || fstat(STDERR_FILENO, &err) < 0 ||
	    S_ISCHR(out.st_mode) || out.st_dev != err.st_dev || out.st_ino != err.st_ino)
		return 0;
	err_say(e, "standard error goes where the stream goes, and a message would damage it");
	return err_hint(e, "leave '2>&1' out");
}

/*
 * The stream is ours alone: what scripts and statistics would write among it goes to standard error, and nobody else
 * reads from it.
 */
static int take_stream(struct options *opt, bool restores, struct err *e)
{
	int fd = restores ? STDIN_FILENO : STDOUT_FILENO;
	own_fd other = restores ? open("/dev/null", O_RDONLY | O_CLOEXEC) :
				  fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (!restores && check_error(e) < 0)
		return e->code;
	opt->stream_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (opt->stream_fd < 0 || other < 0 || dup2(other, fd) < 0)
		return err_sys(e, "set the stream apart");
	return stream_folder(&opt->images_fd, e);
}

int setup_run(struct invocation *inv, struct err *e)
{
	struct options *opt = &inv->opt;
	bool serves = inv->command->id == COMMAND_SERVICE; /* each request has its own images */
	const char *images = opt->images_dir && !serves ? opt->images_dir : ".";
	int r = caps_privileged(e);

	if (r == 0 && inv->command->id == COMMAND_RECEIVE)
		r = stream_folder(&opt->images_fd, e);
	else if (r == 0 && opt->stream)
		r = take_stream(opt, inv->command->id == COMMAND_RESTORE, e);
	else if (r == 0)
		r = open_directory(images, &opt->images_fd, e);
	if (r == 0 && inv->command->id == COMMAND_RESTORE && !opt->stream)
		r = latest_follow(&opt->images_fd, e);
	if (r == 0)
		r = open_directory(opt->work_dir ? opt->work_dir : images, &opt->work_fd, e);
	if (r < 0)
		return r;
	if (fchdir(opt->work_fd) < 0)
		return err_sys(e, "change to directory '%s'",
			       opt->work_dir ? opt->work_dir : images);
	return setup_log(opt, e);
}
