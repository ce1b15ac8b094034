/*
 * Pseudo-terminals. A pty gets the lowest free number, so the wanted one comes when all below are taken: those that
 * come first are held until then. Settings are made before anybody has the ends; what was unread is put in when
 * all ends are open, then locks and modes that would be in the way.
 */
#include "restore/ttys.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "lib/client.h"
#include "lib/pty.h"
#include "restore/mounts.h"

enum { WORDS_WITH_CCS = 5, HELD_MAX = 1024 };

struct rpty *rttys_find(const struct restore *r, unsigned int index)
{
	const struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; i < ttys->pty_count; i++)
		if (ttys->ptys[i].index == index)
			return &ttys->ptys[i];
	return NULL;
}

const TtyInfoEntry *rttys_info(const struct restore *r, uint32_t id)
{
	const struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; i < ttys->info_count; i++)
		if (ttys->infos[i]->id == id)
			return ttys->infos[i];
	return NULL;
}

int rttys_open_master(const struct restore *r, const char *name, unsigned int index, int *ret_fd,
		      struct err *e)
{
	int held[HELD_MAX], count = 0, fd = rmounts_take_pty(r, index), res = 0;
	unsigned int got = 0;

	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	for (;;) {
		fd = rfiles_path_open(r, name, O_RDWR | O_NOCTTY);
		if (fd < 0) {
			res = err_res(e, fd, "open '%s'", name);
			break;
		}
		if (ioctl(fd, TIOCGPTN, &got) < 0) {
			res = err_sys(e, "the number of a new pty");
			break;
		}
		if (got == index || index == RTTYS_ANY)
			break;
		if (got > index || count == HELD_MAX) {
			res = err_code(e, EBUSY, "the pseudo-terminal %u is in use on this machine",
				       index);
			break;
		}
		held[count++] = fd;
	}
	while (count > 0)
		close(held[--count]);
	if (res < 0)
		own_close(&fd);
	else
		*ret_fd = fd;
	return res;
}

int rttys_set(int fd, const TermiosEntry *settings, unsigned long request, struct err *e)
{
	struct kernel_termios k = { 0 };

	if (!settings)
		return 0;
	if (settings->n_c_cc < WORDS_WITH_CCS)
		return err_say(e, "'tty-info.img' has settings without control characters");
	k.iflag = settings->c_iflag;
	k.oflag = settings->c_oflag;
	k.cflag = settings->c_cflag;
	k.lflag = settings->c_lflag;
	k.line = settings->c_line;
	memcpy(k.cc, settings->c_cc, KERNEL_CCS);
	return ioctl(fd, request, &k) < 0 ? err_sys(e, "set the terminal") : 0;
}

static int set_window(int fd, const WinsizeEntry *entry, struct err *e)
{
	struct winsize w;

	if (!entry)
		return 0;
	w = (struct winsize){ entry->ws_row, entry->ws_col, entry->ws_xpixel, entry->ws_ypixel };
	return ioctl(fd, TIOCSWINSZ, &w) < 0 ? err_sys(e, "set the window's size") : 0;
}

/* One that was never unlocked has never had another end. */
static int open_slave(struct rpty *pty, struct err *e)
{
	const TtyInfoEntry *info = pty->slave_info;
	int unlock = 0;

	if (!info && pty->master_info && pty->master_info->locked)
		return 0;
	if (ioctl(pty->master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, "unlock the pty");
	pty->slave = ioctl(pty->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (pty->slave < 0)
		return err_sys(e, "open the other end of the pty");
	if (info && info->has_uid && info->has_gid && fchown(pty->slave, info->uid, info->gid) < 0)
		return err_sys(e, "set the owner of the pty");
	return 0;
}

static int give_away(const struct restore *r, const struct rpty *pty, struct err *e)
{
	const struct client *c = r->opt->client;
	struct event event = { .name = "orphan-pts-master", .fd = pty->master };

	return c->tell(c, &event, e);
}

int rttys_make(struct restore *r, struct rpty *pty, const char *name, struct err *e)
{
	const TtyInfoEntry *info = pty->slave_info ? pty->slave_info : pty->master_info;

	if (pty->master >= 0)
		return 0;
	if (rttys_open_master(r, name, pty->index, &pty->master, e) < 0 || open_slave(pty, e) < 0 ||
	    rttys_set(pty->master, info->termios, TCSETS, e) < 0)
		return e->code;
	if (set_window(pty->master, info->winsize, e) < 0)
		return e->code;
	return pty->orphan ? give_away(r, pty, e) : 0;
}

static const TtyDataEntry *data_of(const struct restore *r, const TtyInfoEntry *info)
{
	const struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; info && i < ttys->data_count; i++)
		if (ttys->data[i]->tty_id == info->id)
			return ttys->data[i];
	return NULL;
}

static struct pty_bytes bytes_of(const TtyDataEntry *data)
{
	return data ? (struct pty_bytes){ (char *)data->data.data, data->data.len } :
		      (struct pty_bytes){ 0 };
}

static int finish(const struct restore *r, struct rpty *pty, struct err *e)
{
	const TtyInfoEntry *master = pty->master_info;
	struct pty_bytes in = bytes_of(data_of(r, pty->slave_info));
	struct pty_bytes out = bytes_of(data_of(r, master));
	const TermiosEntry *locked = (master ? master : pty->slave_info)->termios_locked;
	int on = 1;

	if (pty->slave >= 0 &&
	    (pty_put_input(pty->master, &in, e) < 0 || pty_put_output(pty->slave, &out, e) < 0))
		return e->code;
	if (locked && rttys_set(pty->master, locked, TIOCSLCKTRMIOS, e) < 0)
		return e->code;
	if (master && master->packet_mode && ioctl(pty->master, TIOCPKT, &on) < 0)
		return err_sys(e, "switch on packet mode");
	if (master && master->locked && ioctl(pty->master, TIOCSPTLCK, &on) < 0)
		return err_sys(e, "lock the pty");
	if (master && master->exclusive && ioctl(pty->master, TIOCEXCL) < 0)
		return err_sys(e, "make the master exclusive");
	if (pty->slave_info && pty->slave_info->exclusive && ioctl(pty->slave, TIOCEXCL) < 0)
		return err_sys(e, "make the terminal exclusive");
	return 0;
}

int rttys_finish(struct restore *r, struct err *e)
{
	struct rttys *ttys = r->files->ttys;

	for (size_t i = 0; i < ttys->pty_count; i++)
		if (ttys->ptys[i].master >= 0 && finish(r, &ttys->ptys[i], e) < 0)
			return err_on(e, "pty %u", ttys->ptys[i].index);
	return 0;
}

/* What the child of rttys_open_own does; what it has opened is reported through a pipe, then it waits. */
static void open_as_own(int slave, int flags, int answer, int wait)
{
	int fd;
	char byte;

	signal(SIGHUP, SIG_IGN); /* giving the terminal up sends it */
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		fd = -errno;
	else
		fd = open("/dev/tty", flags | O_CLOEXEC);
	if (fd == -1)
		fd = -errno;
	if (write(answer, &fd, sizeof(fd)) == sizeof(fd) && read(wait, &byte, 1) < 0)
		_exit(1);
	if (fd >= 0)
		ioctl(fd, TIOCNOTTY);
	_exit(0);
}

static int fetch(int pid, int answer, int *ret_fd, struct err *e)
{
	own_fd pidfd = syscall(SYS_pidfd_open, pid, 0);
	int theirs, fd;

	if (pidfd < 0)
		return err_sys(e, "pidfd_open");
	if (read(answer, &theirs, sizeof(theirs)) != sizeof(theirs))
		return err_say(e, "a process that was to open '/dev/tty' has ended");
	if (theirs < 0)
		return err_res(e, theirs, "open '/dev/tty'");
	fd = syscall(SYS_pidfd_getfd, pidfd, theirs, 0);
	if (fd < 0)
		return err_sys(e, "pidfd_getfd");
	*ret_fd = fd;
	return 0;
}

int rttys_open_own(int slave, int flags, int *ret_fd, struct err *e)
{
	int up[2], down[2], res;
	own_fd a = -1, b = -1, c = -1, d = -1;
	pid_t pid;

	if (pipe2(up, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	a = up[0];
	b = up[1];
	if (pipe2(down, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	c = down[0];
	d = down[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		close(d);
		open_as_own(slave, flags, b, c);
	}
	own_close(&b);
	b = -1;
	res = fetch(pid, a, ret_fd, e);
	own_close(&d);
	d = -1;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return res;
}
