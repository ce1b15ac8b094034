/* Event counters: made with nothing in them, since the call takes 32 bits only, and then written to. */
#include "images/fd/eventfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include "lib/io.h"
#include "restore/files.h"

static int eventfd_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const EventfdFileEntry *efd = f->efd;
	int flags = EFD_NONBLOCK | EFD_CLOEXEC | (efd->flags & EFD_SEMAPHORE);
	own_fd fd = eventfd(0, flags);

	(void)r;
	if (fd < 0)
		return err_sys(e, "eventfd");
	if (efd->counter && io_write(fd, &efd->counter, sizeof(efd->counter), "its counter", e) < 0)
		return e->code;
	if (!(efd->flags & O_NONBLOCK) && fcntl(fd, F_SETFL, 0) < 0)
		return err_sys(e, "set its flags");
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind eventfd_fd_restore_kind = {
	.name = "fd/eventfd",
	.type = FD_TYPES__EVENTFD,
	.make = eventfd_make,
};
