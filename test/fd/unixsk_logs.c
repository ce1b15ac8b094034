/*
 * Sockets to services of the machine: number 3 is a stream of the journal, as standard output of a service is, 4 one of datagrams to
 * syslog, 5 a stream to that. With the argument 'bus' number 3 leads to a message bus.
 */
#include "test/lib/fds.h"

#include <sys/socket.h>
#include <sys/un.h>

static int joined(int type, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = SYS(socket(AF_UNIX, type, 0));

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	SYS(connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static void say(int fd, const char *text)
{
	SAME(SYS(send(fd, text, strlen(text), MSG_NOSIGNAL)), strlen(text));
}

static void leads_to(int fd, const char *path)
{
	struct sockaddr_un at = { 0 };

	SYS(getpeername(fd, (struct sockaddr *)&at, &(socklen_t){ sizeof(at) }));
	CHECK(strcmp(at.sun_path, path) == 0, "fd %d leads to '%s'", fd, at.sun_path);
}

int main(int argc, char **argv)
{
	char byte;

	if (argc > 1 && strcmp(argv[1], "bus") == 0) {
		SAME(joined(SOCK_STREAM, "/run/dbus/system_bus_socket"), 3);
		victim_ready();
		victim_ok();
	}
	SAME(joined(SOCK_STREAM, "/run/systemd/journal/stdout"), 3);
	SYS(shutdown(3, SHUT_RD));
	say(3, "me\n\n6\n1\n0\n0\n0\nbefore\n");
	SAME(joined(SOCK_DGRAM, "/run/systemd/journal/dev-log"), 4);
	SYS(fcntl(4, F_SETFL, O_NONBLOCK));
	say(4, "<13>before");
	SAME(joined(SOCK_STREAM, "/run/systemd/journal/syslog"), 5);
	say(5, "<13>before\n");
	victim_ready();
	leads_to(3, "/run/systemd/journal/stdout");
	leads_to(4, "/run/systemd/journal/dev-log");
	leads_to(5, "/run/systemd/journal/syslog");
	say(3, "after\n");
	say(4, "<13>after");
	say(5, "<13>after\n");
	SAME(SYS(recv(3, &byte, 1, 0)), 0);
	SAME(fcntl(4, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	victim_ok();
}
