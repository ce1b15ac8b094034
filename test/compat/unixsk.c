/* UNIX sockets with what the images of CRIU can say. */
#include "test/lib/fds.h"

#include <sys/socket.h>
#include <sys/un.h>

static int stream[2], dgram[2], packets[2], half[2], listening, client, server, inbox, outbox;

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%.100s", fds_path(name));
	return at;
}

static int bound(int type, const char *name)
{
	struct sockaddr_un at = address(name);
	int fd = SYS(socket(AF_UNIX, type, 0));

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static int joined(int type, const char *name)
{
	struct sockaddr_un at = address(name);
	int fd = SYS(socket(AF_UNIX, type, 0));

	SYS(connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static void put(int fd, const char *text)
{
	SAME(SYS(send(fd, text, strlen(text), MSG_NOSIGNAL)), strlen(text));
}

static void get(int fd, const char *text)
{
	char buf[64] = "";

	SAME(SYS(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
}

static void set_up(void)
{
	int size = 50000;

	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	put(stream[0], "there");
	put(stream[1], "back");
	SYS(setsockopt(stream[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram));
	put(dgram[0], "one");
	put(dgram[0], "two");
	SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets));
	put(packets[0], "one");
	put(packets[0], "two");
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
	put(half[0], "before");
	SYS(shutdown(half[0], SHUT_WR));
	listening = bound(SOCK_STREAM, "listening");
	SYS(listen(listening, 5));
	client = joined(SOCK_STREAM, "listening");
	server = SYS(accept(listening, NULL, NULL));
	put(client, "to the server");
	inbox = bound(SOCK_DGRAM, "inbox");
	outbox = joined(SOCK_DGRAM, "inbox");
	put(outbox, "letter");
}

static void check_names(void)
{
	int fd = joined(SOCK_STREAM, "listening");

	put(fd, "new");
	get(SYS(accept(listening, NULL, NULL)), "new");
	get(inbox, "letter");
	put(outbox, "new");
	get(inbox, "new");
}

int main(void)
{
	int size;
	char c;

	set_up();
	victim_ready();
	get(stream[1], "there");
	get(stream[0], "back");
	SYS(getsockopt(stream[0], SOL_SOCKET, SO_RCVBUF, &size, &(socklen_t){ sizeof(size) }));
	SAME(size, 100000);
	get(dgram[1], "one");
	get(dgram[1], "two");
	get(packets[1], "one");
	get(packets[1], "two");
	get(half[1], "before");
	SAME(SYS(recv(half[1], &c, 1, 0)), 0);
	put(half[1], "other way");
	get(half[0], "other way");
	get(server, "to the server");
	put(server, "answer");
	get(client, "answer");
	check_names();
	victim_ok();
}
