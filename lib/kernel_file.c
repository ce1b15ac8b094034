/* Probes of what concerns files: /proc, descriptors, terminals, mounts, devices. */
#include "lib/kernel_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/own.h"
#include "lib/proc.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif
#define TIMERFD_SET_TICKS _IOW('T', 0, uint64_t)

/* Fields that are 0 where we may not see them, or the kernel is too old. */
bool probe_proc_stat(void)
{
	struct proc_stat stat;
	struct err e = {};
	own_fd fd = -1;

	return proc_open(getpid(), &fd, &e) == 0 && proc_stat_read(fd, &stat, &e) == 0 &&
	       stat.start_code && stat.start_data && stat.start_brk && stat.arg_start &&
	       stat.env_end;
}

bool probe_fdinfo_state(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	own_fd event_fd = eventfd(0, EFD_CLOEXEC);
	own_fd epoll = epoll_create1(EPOLL_CLOEXEC);
	own_fd inotify = inotify_init1(IN_CLOEXEC);
	own_fd signals = -1;
	sigset_t set;

	sigemptyset(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	return epoll_ctl(epoll, EPOLL_CTL_ADD, event_fd, &event) == 0 &&
	       inotify_add_watch(inotify, "/", IN_DELETE) >= 0 &&
	       probe_fdinfo_holds(event_fd, "eventfd-count:") &&
	       probe_fdinfo_holds(epoll, "tfd:") && probe_fdinfo_holds(signals, "sigmask:") &&
	       probe_fdinfo_holds(inotify, "inotify wd:");
}

bool probe_mnt_id(void)
{
	own_fd fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return probe_fdinfo_holds(fd, "mnt_id:");
}

bool probe_fdinfo_lock(void)
{
	own_fd fd = memfd_create("probe", MFD_CLOEXEC);

	return flock(fd, LOCK_EX) == 0 && probe_fdinfo_holds(fd, "lock:");
}

bool probe_eventfd_semaphore(void)
{
	own_fd fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);

	return probe_fdinfo_holds(fd, "eventfd-semaphore:");
}

bool probe_timerfd(void)
{
	own_fd fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t ticks = 1;

	return probe_fdinfo_holds(fd, "clockid:") && ioctl(fd, TIMERFD_SET_TICKS, &ticks) == 0;
}

bool probe_owner_uids(void)
{
	own_fd fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	uint32_t uids[2];

	return fcntl(fd, F_GETOWNER_UIDS, uids) == 0;
}

bool probe_pty_lock(void)
{
	own_fd fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int locked;

	return ioctl(fd, TIOCGPTLCK, &locked) == 0;
}

bool probe_sem_next_id(void)
{
	own_fd fd = open("/proc/sys/kernel/sem_next_id", O_WRONLY | O_CLOEXEC);

	return fd >= 0;
}

bool probe_openat2(void)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	own_fd fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	return fd >= 0;
}

/* Flags are looked at before the descriptors, which are none. */
bool probe_move_mount_set_group(void)
{
	return syscall(SYS_move_mount, -1, "", -1, "", MOVE_MOUNT_SET_GROUP) < 0 &&
	       errno != EINVAL && errno != ENOSYS && errno != EPERM;
}

static bool mount_autofs(void)
{
	char options[128];
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0 || mkdir("auto", 0700) < 0)
		return false;
	snprintf(options, sizeof(options), "fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", ends[1],
		 getpgrp());
	return mount("probe", "auto", "autofs", 0, options) == 0 &&
	       probe_file_holds("/proc/self/mountinfo", "pipe_ino=");
}

bool probe_autofs(void)
{
	return probe_on_tmpfs(mount_autofs);
}

/* A device of its own network namespace. */
static int tun_make(void)
{
	struct ifreq request = { .ifr_name = "probe%d" };
	own_fd fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -1 : take_fd(&fd);
}

static bool ask_tun(void)
{
	own_fd fd = tun_make();
	struct ifreq request;
	int size;

	return ioctl(fd, TUNGETIFF, &request) == 0 && ioctl(fd, TUNGETSNDBUF, &size) == 0 &&
	       ioctl(fd, TUNGETVNETHDRSZ, &size) == 0;
}

bool probe_tun(void)
{
	return probe_in_netns(ask_tun);
}

static bool ask_tun_ns(void)
{
	own_fd fd = tun_make();
	own_fd ns = ioctl(fd, SIOCGSKNS);

	return ns >= 0;
}

bool probe_tun_ns(void)
{
	return probe_in_netns(ask_tun_ns);
}
