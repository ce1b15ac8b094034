/* Named pipes: bytes in them, single ends, packets, and one whose name is gone. */
#include "test/lib/fds.h"

#include <poll.h>

static struct fds before;

static void make(const char *name)
{
	SYS(mkfifo(fds_path(name), 0640));
}

int main(void)
{
	int both, reader, writer, only_reader, gone, packets;
	struct pollfd p = { .events = POLLIN };
	char text[16];

	make("fifo");
	both = SYS(open(fds_path("fifo"), O_RDWR));
	reader = SYS(open(fds_path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	writer = SYS(open(fds_path("fifo"), O_WRONLY));
	SAME(write(writer, "in the fifo", 11), 11);
	SYS(close(both));
	make("quiet");
	only_reader = SYS(open(fds_path("quiet"), O_RDONLY | O_NONBLOCK));
	make("gone");
	gone = SYS(open(fds_path("gone"), O_RDWR));
	SAME(write(gone, "ghost", 5), 5);
	SYS(unlink(fds_path("gone")));
	make("packets");
	packets = SYS(open(fds_path("packets"), O_RDWR));
	SYS(fcntl(packets, F_SETFL, O_DIRECT));
	SAME(write(packets, "ab", 2), 2);
	SAME(write(packets, "cde", 3), 3);

	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SAME(read(reader, text, sizeof(text)), 11);
	CHECK(memcmp(text, "in the fifo", 11) == 0);
	SAME(read(reader, text, sizeof(text)), -1);
	SAME(errno, EAGAIN);
	p.fd = only_reader;
	SAME(poll(&p, 1, 0), 0);
	SAME(read(gone, text, sizeof(text)), 5);
	SAME(read(packets, text, sizeof(text)), 2);
	SAME(read(packets, text, sizeof(text)), 3);
	both = SYS(open(fds_path("quiet"), O_WRONLY | O_NONBLOCK));
	SAME(write(both, "x", 1), 1);
	SAME(read(only_reader, text, sizeof(text)), 1);
	victim_ok();
}
