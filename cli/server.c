/* Servers; see server.h. */
#include "cli/server.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/own.h"
#include "lib/pidfile.h"
#include "lib/status.h"

int server_to_background(struct err *e)
{
	own_fd null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t child = null < 0 ? -1 : fork();

	if (child < 0)
		return err_sys(e, "go to the background");
	if (child > 0)
		_exit(0);
	if (setsid() < 0)
		return err_sys(e, "begin a session");
	if (log_fd() <= STDERR_FILENO)
		log_setup(open("/dev/null", O_WRONLY | O_CLOEXEC), log_level());
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return err_sys(e, "let go of standard input and output");
	return 0;
}

int server_tell_ready(const struct options *opt, struct err *e)
{
	return pidfile_write(opt, getpid(), e) < 0 ? e->code : status_write(opt, e);
}
