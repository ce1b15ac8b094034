/* What the options of page servers do that have a value of their own shape; see options_set.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/options_set.h"

enum { PORTS = 65536 };

int set_status_fd(struct options *opt, const char *value, struct err *e)
{
	opt->status_fd = atoi(value);
	if (value[0] >= '0' && value[0] <= '9' && fcntl(opt->status_fd, F_GETFD) >= 0)
		return 0;
	return err_say(e, "'%s' names a descriptor that is not open", value);
}

int set_port(struct options *opt, const char *value, struct err *e)
{
	char *end;
	long port = strtol(value, &end, 10);

	if (end == value || *end || port < 0 || port >= PORTS)
		return err_say(e, "'%s' is no port", value);
	opt->pages.port = port;
	return 0;
}

int set_ps_socket(struct options *opt, const char *value, struct err *e)
{
	char *end;
	long fd = strtol(value, &end, 10);
	int type;
	socklen_t size = sizeof(type);

	if (end == value || *end || fd < 0 || fd > INT_MAX ||
	    getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return err_say(e, "'%s' is not the number of a connected socket", value);
	/* Tasks and programs that are started have no use for it. */
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	opt->pages.socket = (int)fd;
	return 0;
}
