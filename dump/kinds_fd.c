/* The kinds of descriptors, in the order in which they are asked whether a description is theirs. */
#include "dump/files.h"

extern const struct fd_kind memfd_fd_kind, regfile_fd_kind, pipe_fd_kind, fifo_fd_kind, tty_fd_kind;
extern const struct fd_kind eventfd_fd_kind, eventpoll_fd_kind, signalfd_fd_kind, timerfd_fd_kind;
extern const struct fd_kind unixsk_fd_kind, inetsk_fd_kind, lock_fd_kind, remap_fd_kind,
	inotify_fd_kind;
extern const struct fd_kind fanotify_fd_kind, pidfd_fd_kind, nsfile_fd_kind;
extern const struct fd_kind netlinksk_fd_kind, device_fd_kind, mqueue_fd_kind, uring_fd_kind,
	bpfmap_fd_kind, packetsk_fd_kind, tun_fd_kind;

const struct fd_kind *const fd_kinds[] = {
	&memfd_fd_kind,	  &mqueue_fd_kind,    &regfile_fd_kind,	  &pipe_fd_kind,
	&fifo_fd_kind,	  &tty_fd_kind,	      &tun_fd_kind,	  &device_fd_kind,
	&eventfd_fd_kind, &eventpoll_fd_kind, &signalfd_fd_kind,  &timerfd_fd_kind,
	&unixsk_fd_kind,  &inetsk_fd_kind,    &netlinksk_fd_kind, &uring_fd_kind,
	&bpfmap_fd_kind,  &packetsk_fd_kind,  &inotify_fd_kind,	  &fanotify_fd_kind,
	&pidfd_fd_kind,	  &nsfile_fd_kind,    &lock_fd_kind,	  &remap_fd_kind,
};
const size_t fd_kind_count = ARRAY_SIZE(fd_kinds);
