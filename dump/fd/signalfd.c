/* Descriptors that deliver signals. They hold a mask and nothing else: what is pending belongs to the task. */
#include "images/fd/signalfd.pb-c.h"

#include <errno.h>
#include <string.h>

#include "dump/files.h"

static bool signalfd_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:[signalfd]") == 0;
}

static int signalfd_dump(struct file *f, FileEntry *entry, struct err *e)
{
	SignalfdEntry *sfd = pool_new(&f->dump->pool, SignalfdEntry);

	signalfd_entry__init(sfd);
	sfd->id = f->id;
	sfd->flags = f->flags;
	sfd->fown = f->fown;
	if (!files_number(f->fdinfo, "sigmask", 16, &sfd->sigmask))
		return err_code(e, ENOTSUP, "this kernel does not tell its signals");
	entry->sgfd = sfd;
	return 0;
}

const struct fd_kind signalfd_fd_kind = {
	.name = "fd/signalfd",
	.type = FD_TYPES__SIGNALFD,
	.match = signalfd_match,
	.dump = signalfd_dump,
};
