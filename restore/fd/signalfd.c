/* Descriptors that deliver signals. */
#include "images/fd/signalfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "restore/files.h"

static int signalfd_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	uint64_t mask = f->sgfd->sigmask;
	int flags = SFD_CLOEXEC | (f->sgfd->flags & O_NONBLOCK ? SFD_NONBLOCK : 0);
	int fd = syscall(SYS_signalfd4, -1, &mask, sizeof(mask), flags);

	(void)r;
	if (fd < 0)
		return err_sys(e, "signalfd");
	*ret_fd = fd;
	return 0;
}

const struct fd_restore_kind signalfd_fd_restore_kind = {
	.name = "fd/signalfd",
	.type = FD_TYPES__SIGNALFD,
	.make = signalfd_make,
};
