/*
 * What lies unread in a pseudo-terminal; see pty.h.
 *
 * Output is put in by writing to the slave without output processing. Input is put in by writing to the master, with
 * line editing, signals and translations off but the line mode as it is, so that lines stay lines. The kernel
 * handles input in its own time, so the settings may be put back only when it has: echo is switched on meanwhile,
 * and what comes back is counted.
 */
#include "lib/pty.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "lib/own.h"

enum { CHUNK = 256, PATIENCE_MS = 2000 };

static bool readable(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, wait_ms) == 1 && p.revents & POLLIN;
}

static bool in_packet_mode(int master)
{
	int on = 0;

	return ioctl(master, TIOCGPKT, &on) == 0 && on;
}

static int append(struct pty_bytes *b, const char *data, size_t size, struct err *e)
{
	char *more = realloc(b->data, b->size + size + 1);

	if (!more)
		return err_sys(e, "memory for what was not read");
	b->data = more;
	memcpy(more + b->size, data, size);
	b->size += size;
	return 0;
}

int pty_take_output(int master, struct pty_bytes *ret, struct err *e)
{
	size_t skip = in_packet_mode(master);
	char buf[4096];

	/* Looking makes the kernel bring up what waits behind. */
	while (readable(master, 0)) {
		ssize_t n = read(master, buf, sizeof(buf));

		if (n < 0)
			return err_sys(e, "read what was written to the terminal");
		if ((size_t)n <= skip)
			break;
		if (append(ret, buf + skip, n - skip, e) < 0)
			return e->code;
	}
	return 0;
}

static int take_lines(int slave, struct pty_bytes *ret, struct err *e)
{
	char buf[4096];

	for (;;) {
		ssize_t n = read(slave, buf, sizeof(buf));

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return err_sys(e, "read what was typed at the terminal");
		if (n == 0) /* the end of the file was typed */
			return 0;
		if (append(ret, buf, n, e) < 0)
			return e->code;
	}
}

int pty_take_input(int slave, struct pty_bytes *ret, struct err *e)
{
	struct kernel_termios was, now;
	int r, back;

	if (ioctl(slave, TCGETS, &was) < 0)
		return err_sys(e, "read the terminal's settings");
	r = take_lines(slave, ret, e);
	if (r < 0 || !(was.lflag & ICANON))
		return r;
	/* A line without an end can be read only out of line mode. */
	now = was;
	now.lflag &= ~ICANON;
	now.cc[VMIN] = 1;
	now.cc[VTIME] = 0;
	if (ioctl(slave, TCSETS, &now) < 0)
		return err_sys(e, "change the terminal's settings");
	r = take_lines(slave, ret, e);
	back = ioctl(slave, TCSETS, &was);
	if (r == 0 && back < 0)
		return err_sys(e, "change the terminal's settings back");
	return r;
}

/* Takes what comes back for size bytes that were put in. */
static int await_echo(int master, size_t size, struct err *e)
{
	size_t skip = in_packet_mode(master);
	char buf[CHUNK + 1];

	while (size > 0) {
		size_t most = size + skip < sizeof(buf) ? size + skip : sizeof(buf);
		ssize_t n;

		if (!readable(master, PATIENCE_MS))
			return err_code(e, ETIMEDOUT, "the terminal does not take what was typed");
		n = read(master, buf, most);
		if (n < 0)
			return err_sys(e, "read the terminal's echo");
		if ((size_t)n > skip)
			size -= n - skip;
	}
	return 0;
}

static int type_in(int master, const struct pty_bytes *in, struct err *e)
{
	for (size_t at = 0; at < in->size;) {
		size_t size = in->size - at < CHUNK ? in->size - at : CHUNK;
		ssize_t n = write(master, in->data + at, size);

		if (n <= 0)
			return err_sys(e, "type into the terminal");
		if (await_echo(master, n, e) < 0)
			return e->code;
		at += n;
	}
	return 0;
}

static struct kernel_termios literal(const struct kernel_termios *was)
{
	static const int kept[] = { VMIN, VTIME, VEOL, VEOL2 };
	struct kernel_termios now = *was;

	now.iflag &= ~(IXON | IXOFF | ICRNL | INLCR | IGNCR | ISTRIP | IUCLC | PARMRK | IMAXBEL);
	now.oflag &= ~OPOST;
	now.lflag &= ~(ISIG | ECHOCTL | ECHONL | XCASE);
	now.lflag |= ECHO;
	memset(now.cc, 0, sizeof(now.cc));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		now.cc[kept[i]] = was->cc[kept[i]];
	return now;
}

int pty_put_input(int master, const struct pty_bytes *in, struct err *e)
{
	struct kernel_termios was, now;
	int r;

	if (in->size == 0)
		return 0;
	if (ioctl(master, TCGETS, &was) < 0)
		return err_sys(e, "read the terminal's settings");
	now = literal(&was);
	if (ioctl(master, TCSETS, &now) < 0)
		return err_sys(e, "change the terminal's settings");
	r = type_in(master, in, e);
	if (ioctl(master, TCSETS, &was) < 0 && r == 0)
		return err_sys(e, "change the terminal's settings back");
	return r;
}

static int write_out(int slave, const struct pty_bytes *out, struct err *e)
{
	for (size_t at = 0; at < out->size;) {
		ssize_t n = write(slave, out->data + at, out->size - at);

		if (n < 0 && errno == EAGAIN) {
			/* Stopped by somebody who typed ^S: then it is not any more. */
			if (ioctl(slave, TCXONC, TCOON) < 0)
				return err_sys(e, "start the terminal's output");
			n = write(slave, out->data + at, out->size - at);
		}
		if (n <= 0)
			return err_sys(e, "write to the terminal");
		at += n;
	}
	return 0;
}

int pty_put_output(int slave, const struct pty_bytes *out, struct err *e)
{
	struct kernel_termios was, now;
	int r;

	if (out->size == 0)
		return 0;
	if (ioctl(slave, TCGETS, &was) < 0)
		return err_sys(e, "read the terminal's settings");
	now = was;
	now.oflag &= ~OPOST;
	if (ioctl(slave, TCSETS, &now) < 0)
		return err_sys(e, "change the terminal's settings");
	r = write_out(slave, out, e);
	if (ioctl(slave, TCSETS, &was) < 0 && r == 0)
		return err_sys(e, "change the terminal's settings back");
	return r;
}
