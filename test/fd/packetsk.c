/* Packet sockets on the loopback interface: bound, deaf, with options, filter, memberships, and sharing packets out. */
#include "test/lib/fds.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

enum { OPTIONS = 7, SOCKETS_MAX = 8, PROTOCOL = 0x88b5 };

static const int options[OPTIONS] = {
	PACKET_AUXDATA,	  PACKET_ORIGDEV, PACKET_VERSION,	  PACKET_RESERVE,
	PACKET_TIMESTAMP, PACKET_FANOUT,  PACKET_IGNORE_OUTGOING,
};

struct state {
	struct sockaddr_ll at;
	int fd, type, size, option[OPTIONS];
	socklen_t filter;
};

static struct state before[SOCKETS_MAX];
static struct fds fds;
static int lo;

static void ask(int fd, struct state *ret)
{
	socklen_t size = sizeof(int), at = sizeof(ret->at);

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	SYS(getsockname(fd, (struct sockaddr *)&ret->at, &at));
	SYS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &ret->type, &size));
	SYS(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &ret->size, &size));
	SYS(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &ret->filter));
	for (int i = 0; i < OPTIONS; i++)
		SYS(getsockopt(fd, SOL_PACKET, options[i], &ret->option[i], &size));
}

static int make(int type, int protocol, int interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(protocol),
				  .sll_ifindex = interface };
	int fd = socket(AF_PACKET, type, 0);

	if (fd < 0)
		victim_skip(strerror(errno));
	if (protocol)
		SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static void set(int fd, int option, int value)
{
	SYS(setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)));
}

static void filter_all(int fd)
{
	struct sock_filter code[] = { BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
				      BPF_STMT(BPF_RET | BPF_A, 0) };
	struct sock_fprog program = { 2, code };

	SYS(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
}

static void take_part(int fd, int type)
{
	struct packet_mreq m = { .mr_ifindex = lo, .mr_type = type, .mr_alen = 6 };

	SYS(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)));
}

static void send_one(int fd, const char *text)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(PROTOCOL),
				  .sll_ifindex = lo,
				  .sll_halen = 6 };

	SAME(SYS(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to))),
	     strlen(text));
}

static void comes(int fd, const char *text)
{
	char got[64];

	SAME(SYS(recv(fd, got, sizeof(got), 0)), strlen(text));
	CHECK(memcmp(got, text, strlen(text)) == 0);
}

int main(void)
{
	int bound, deaf, first, second, count;
	pid_t pid;

	lo = if_nametoindex("lo");
	bound = make(SOCK_DGRAM, PROTOCOL, lo);
	deaf = make(SOCK_RAW, 0, 0);
	first = make(SOCK_DGRAM, PROTOCOL + 1, lo);
	second = make(SOCK_DGRAM | SOCK_NONBLOCK, PROTOCOL + 1, lo);
	set(bound, PACKET_AUXDATA, 1);
	set(bound, PACKET_ORIGDEV, 1);
	set(bound, PACKET_IGNORE_OUTGOING, 1);
	set(deaf, PACKET_VERSION, TPACKET_V3);
	set(deaf, PACKET_RESERVE, 32);
	set(deaf, PACKET_COPY_THRESH, 5);
	filter_all(bound);
	take_part(bound, PACKET_MR_PROMISC);
	take_part(bound, PACKET_MR_PROMISC);
	take_part(bound, PACKET_MR_ALLMULTI);
	set(first, PACKET_FANOUT, (getpid() & 0xffff) | PACKET_FANOUT_LB << 16);
	set(second, PACKET_FANOUT, (getpid() & 0xffff) | PACKET_FANOUT_LB << 16);
	count = second - bound + 1;
	for (int i = 0; i < count; i++)
		ask(bound + i, &before[i]);
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		send_one(first, "from the child");
		_exit(0);
	}
	fds_note(&fds);
	victim_ready();
	fds_check(&fds);
	for (int i = 0; i < count; i++) {
		struct state now;

		ask(bound + i, &now);
		CHECK(memcmp(&now, &before[i], sizeof(now)) == 0, "fd %d is not what it was",
		      bound + i);
	}
	comes(bound, "from the child");
	victim_reap(pid);
	victim_ok();
}
