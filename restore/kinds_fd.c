/* The kinds of descriptors that can be made again. */
#include "restore/files.h"

extern const struct fd_restore_kind memfd_fd_restore_kind, regfile_fd_restore_kind;
extern const struct fd_restore_kind pipe_fd_restore_kind, fifo_fd_restore_kind, tty_fd_restore_kind;
extern const struct fd_restore_kind eventfd_fd_restore_kind, eventpoll_fd_restore_kind;
extern const struct fd_restore_kind signalfd_fd_restore_kind, timerfd_fd_restore_kind;
extern const struct fd_restore_kind unixsk_fd_restore_kind, inetsk_fd_restore_kind,
	lock_fd_restore_kind;
extern const struct fd_restore_kind pidfd_fd_restore_kind, nsfile_fd_restore_kind;
extern const struct fd_restore_kind fanotify_fd_restore_kind, inotify_fd_restore_kind;
extern const struct fd_restore_kind netlinksk_fd_restore_kind, device_fd_restore_kind,
	mqueue_fd_restore_kind, uring_fd_restore_kind, bpfmap_fd_restore_kind,
	packetsk_fd_restore_kind, tun_fd_restore_kind;

const struct fd_restore_kind *const fd_restore_kinds[] = {
	&memfd_fd_restore_kind,	    &device_fd_restore_kind,	&regfile_fd_restore_kind,
	&pipe_fd_restore_kind,	    &fifo_fd_restore_kind,	&tty_fd_restore_kind,
	&eventfd_fd_restore_kind,   &eventpoll_fd_restore_kind, &signalfd_fd_restore_kind,
	&timerfd_fd_restore_kind,   &unixsk_fd_restore_kind,	&inetsk_fd_restore_kind,
	&netlinksk_fd_restore_kind, &lock_fd_restore_kind,	&inotify_fd_restore_kind,
	&fanotify_fd_restore_kind,  &pidfd_fd_restore_kind,	&nsfile_fd_restore_kind,
	&mqueue_fd_restore_kind,    &uring_fd_restore_kind,	&bpfmap_fd_restore_kind,
	&packetsk_fd_restore_kind,  &tun_fd_restore_kind,
};
const size_t fd_restore_kind_count = ARRAY_SIZE(fd_restore_kinds);
