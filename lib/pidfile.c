/* --pidfile; see pidfile.h. */
#include "lib/pidfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

int pidfile_write(const struct options *opt, int pid, struct err *e)
{
	char text[16];

	if (!opt->pidfile)
		return 0;
	own_fd fd =
		openat(opt->work_fd, opt->pidfile, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "create pid file '%s'", opt->pidfile);
	snprintf(text, sizeof(text), "%d", pid);
	if (io_write(fd, text, strlen(text), opt->pidfile, e) < 0) {
		pidfile_remove(opt);
		return err_on(e, "pid file '%s'", opt->pidfile);
	}
	return 0;
}

void pidfile_remove(const struct options *opt)
{
	if (opt->pidfile)
		unlinkat(opt->work_fd, opt->pidfile, 0);
}
