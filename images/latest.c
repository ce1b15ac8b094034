/* The link 'latest'; see latest.h. */
#include "images/latest.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/own.h"

int latest_follow(int *dir_fd, struct err *e)
{
	char to[2];
	int fd;

	if (faccessat(*dir_fd, "inventory.img", F_OK, 0) == 0 ||
	    readlinkat(*dir_fd, LATEST_NAME, to, sizeof(to)) < 0)
		return 0;
	fd = openat(*dir_fd, LATEST_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open what '" LATEST_NAME "' leads to");
	close(*dir_fd);
	*dir_fd = fd;
	return 0;
}
