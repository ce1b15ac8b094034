/* Sockets in words. */
#include "lib/netlink.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "test/lib/unit.h"

static void says(int fd, const char *wanted)
{
	char text[256];

	assert(fd >= 0);
	netlink_socket_describe(fd, text, sizeof(text));
	if (strcmp(text, wanted) != 0)
		printf("# '%s', not '%s'\n", text, wanted);
	assert(strcmp(text, wanted) == 0);
}

static void unix_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0stasis-test" };
	socklen_t size = sizeof(sa_family_t) + strlen("_stasis-test");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int other = socket(AF_UNIX, SOCK_STREAM, 0);

	says(fd, "unix stream without a name");
	assert(bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 1) == 0);
	says(fd, "unix stream '@stasis-test' listening");
	assert(connect(other, (struct sockaddr *)&name, size) == 0);
	says(other, "unix stream without a name connected to '@stasis-test'");
}

static void unix_pair(void)
{
	char wanted[128];
	struct stat st;
	int pair[2];

	assert(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0 && fstat(pair[1], &st) == 0);
	snprintf(wanted, sizeof(wanted), "unix datagram without a name, peer inode %lu", st.st_ino);
	says(pair[0], wanted);
}

static void inet_sockets(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(0) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	socklen_t size = sizeof(here);
	char wanted[128];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int udp = socket(AF_INET6, SOCK_DGRAM, 0);

	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert(bind(fd, (struct sockaddr *)&here, size) == 0 && listen(fd, 1) == 0);
	assert(getsockname(fd, (struct sockaddr *)&here, &size) == 0);
	snprintf(wanted, sizeof(wanted), "tcp 127.0.0.1:%d listening", ntohs(here.sin_port));
	says(fd, wanted);
	says(socket(AF_INET, SOCK_DGRAM, 0), "udp 0.0.0.0:0");
	if (udp < 0)
		unit_skip("there is no IPv6 here");
	six.sin6_port = htons(9);
	assert(connect(udp, (struct sockaddr *)&six, sizeof(six)) == 0);
	size = sizeof(six);
	assert(getsockname(udp, (struct sockaddr *)&six, &size) == 0);
	snprintf(wanted, sizeof(wanted), "udp6 [::1]:%d connected to [::1]:9",
		 ntohs(six.sin6_port));
	says(udp, wanted);
}

static void other_sockets(void)
{
	char text[8];

	says(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), "netlink of protocol 0");
	/* What does not fit is cut. */
	assert(netlink_socket_describe(socket(AF_UNIX, SOCK_STREAM, 0), text, sizeof(text)) > 8);
	assert(strcmp(text, "unix st") == 0);
	says(0, "socket of family -1");
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(unix_sockets), UNIT(unix_pair), UNIT(inet_sockets), UNIT(other_sockets), {} });
}
