/* Telling that a server is ready; see status.h. */
#include "lib/status.h"

#include <unistd.h>

#include "lib/scripts.h"

int status_write(const struct options *opt, struct err *e)
{
	if (opt->status_fd < 0)
		return 0;
	if (write(opt->status_fd, "", 1) != 1)
		return err_sys(e, "write to descriptor %d of --status-fd", opt->status_fd);
	close(opt->status_fd);
	return 0;
}

int status_ready(const struct options *opt, struct err *e)
{
	return scripts_run(opt, "status-ready", opt->tree, e) < 0 ? e->code : status_write(opt, e);
}
