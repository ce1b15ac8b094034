/* Pipes: bytes and packets in them, sizes, ends that are gone, opened again, shared and nonblocking. */
#include "test/lib/fds.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>

enum { BIG = 1 << 20, PACKETS = 5 };

static struct fds before;
static int plain[2], big[2], packets[2], mixed[2], no_writer, no_reader, again;
static const int packet_size[PACKETS] = { 1, 1, 4096, 3, 1 };

static char byte_at(int i)
{
	return i * 7 + i / 251;
}

static void fill(int fd, int size)
{
	for (int i = 0; i < size; i++) {
		char c = byte_at(i);

		SAME(write(fd, &c, 1), 1);
	}
}

static void set_up(void)
{
	static char page[4096];
	int ends[2];

	SYS(pipe2(plain, O_CLOEXEC));
	SAME(write(plain[1], "unread", 6), 6);
	SYS(fcntl(plain[0], F_SETFL, O_NONBLOCK));
	again = SYS(open("/proc/self/fd/4", O_WRONLY | O_NONBLOCK)); /* another description */
	SAME(plain[1], 4);

	SYS(pipe(big));
	SYS(fcntl(big[1], F_SETPIPE_SZ, BIG));
	SYS(fcntl(big[1], F_SETFL, O_NONBLOCK));
	fill(big[1], BIG);
	SAME(write(big[1], "x", 1), -1);

	SYS(pipe2(packets, O_DIRECT));
	for (int i = 0; i < PACKETS; i++)
		SAME(write(packets[1], page, packet_size[i]), packet_size[i]);
	SYS(pipe2(mixed, O_DIRECT));
	SAME(write(mixed[1], "packet", 6), 6);
	SYS(fcntl(mixed[1], F_SETFL, 0));
	SAME(write(mixed[1], "stream", 6), 6);
	SAME(write(mixed[1], "stream", 6), 6);
	SYS(fcntl(mixed[1], F_SETFL, O_DIRECT));
	SAME(write(mixed[1], page, 4090), 4090); /* there is no room for it behind the stream */
	SAME(write(mixed[1], "p", 1), 1);

	SYS(pipe(ends));
	SAME(write(ends[1], "last", 4), 4);
	SYS(close(ends[1]));
	no_writer = ends[0];
	SYS(pipe(ends));
	SYS(close(ends[0]));
	no_reader = ends[1];
}

static void check_ends(void)
{
	struct pollfd p = { .fd = no_reader };
	char text[16];

	SAME(SYS(poll(&p, 1, 0)), 1);
	SAME(p.revents & POLLERR, POLLERR);
	SAME(read(no_writer, text, sizeof(text)), 4);
	SAME(read(no_writer, text, sizeof(text)), 0);
	SAME(read(plain[0], text, sizeof(text)), 6);
	CHECK(memcmp(text, "unread", 6) == 0);
	SAME(read(plain[0], text, sizeof(text)), -1);
	SAME(errno, EAGAIN);
	SAME(write(again, "ok", 2), 2);
	SAME(read(plain[0], text, sizeof(text)), 2);
}

static void check_packets(void)
{
	static char page[4096];

	for (int i = 0; i < PACKETS; i++)
		SAME(read(packets[0], page, sizeof(page)), packet_size[i]);
	SAME(read(mixed[0], page, 2), 2); /* the rest of a packet is dropped */
	SAME(read(mixed[0], page, 4), 4);
	CHECK(memcmp(page, "stre", 4) == 0);
	SAME(read(mixed[0], page, 8), 8);
	CHECK(memcmp(page, "amstream", 8) == 0);
	SAME(write(mixed[1], "end", 3), 3);
	SAME(read(mixed[0], page, 4090), 4090);
	SAME(read(mixed[0], page, sizeof(page)), 1);
	SAME(read(mixed[0], page, 1), 1);
	SAME(write(packets[1], "ab", 2), 2);
	SAME(write(packets[1], "cd", 2), 2);
	SAME(read(packets[0], page, sizeof(page)), 2);
}

int main(void)
{
	static char all[BIG];
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	set_up();
	pid = victim_fork();
	if (pid == 0) {
		SYS(close_range(0, plain[0] - 1, 0));
		victim_set();
		victim_wait();
		_exit(write(plain[1], "x", 1) == 1 ? 0 : 1);
	}
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	victim_reap(pid);
	SAME(read(plain[0], all, 7), 7);
	SAME(all[6], 'x');
	SAME(write(plain[1], "unread", 6), 6);
	SAME(fcntl(big[0], F_GETPIPE_SZ), BIG);
	SAME(read(big[0], all, BIG), BIG);
	for (int i = 0; i < BIG; i++)
		CHECK(all[i] == byte_at(i), "byte %d is %d", i, all[i]);
	check_ends();
	check_packets();
	victim_ok();
}
