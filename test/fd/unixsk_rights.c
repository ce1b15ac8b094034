/*
 * Descriptors that are on their way (SCM_RIGHTS): of files that we have as well, that nobody else has, deleted ones, pipes
 * with what is in them, sockets with messages of their own, and one that waits in itself.
 */
#include "test/lib/fds.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

static struct fds before;
static int stream[2], dgram[2], self[2], known;

static void put(int to, const char *text, const int *fds, size_t count)
{
	char room[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec io = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)room;

	if (count) {
		m.msg_control = room;
		m.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	SAME(SYS(sendmsg(to, &m, 0)), strlen(text));
}

static void get(int from, const char *text, int *fds, size_t count)
{
	char room[CMSG_SPACE(16 * sizeof(int))] = { 0 }, buf[64] = "";
	struct iovec io = { buf, strlen(text) };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *c = (struct cmsghdr *)room;

	SAME(SYS(recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "it got '%s', not '%s'", buf, text);
	SAME(m.msg_controllen != 0, count != 0);
	if (!count)
		return;
	SAME(c->cmsg_len, CMSG_LEN(count * sizeof(int)));
	memcpy(fds, CMSG_DATA(c), count * sizeof(int));
}

static void make_stream(void)
{
	int fds[3], ends[2];

	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, stream));
	put(stream[0], "plain and ", NULL, 0);
	known = SYS(open(fds_path("known"), O_RDWR | O_CREAT, 0600));
	SAME(SYS(write(known, "0123456789", 10)), 10);
	fds[0] = known;
	fds[1] = SYS(open(fds_path("deleted"), O_RDWR | O_CREAT, 0600));
	SAME(SYS(write(fds[1], "deleted", 7)), 7);
	SYS(lseek(fds[1], 3, SEEK_SET));
	SYS(unlink(fds_path("deleted")));
	fds[2] = SYS(open("/dev/null", O_WRONLY));
	put(stream[0], "files", fds, 3);
	SYS(close(fds[1]));
	SYS(close(fds[2]));
	SYS(pipe(ends));
	SAME(SYS(write(ends[1], "in the pipe", 11)), 11);
	put(stream[0], "pipe", ends, 2);
	SYS(close(ends[0]));
	SYS(close(ends[1]));
}

static void make_datagrams(void)
{
	int fds[4], ends[2];

	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, dgram));
	fds[0] = SYS(eventfd(7, 0));
	fds[1] = SYS(memfd_create("sent", 0));
	SAME(SYS(write(fds[1], "memory", 6)), 6);
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	fds[2] = ends[0];
	fds[3] = ends[1];
	put(ends[0], "further", &fds[0], 1);
	put(dgram[0], "objects", fds, 4);
	for (int i = 0; i < 4; i++)
		SYS(close(fds[i]));
	SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, self));
	put(self[0], "itself", &self[1], 1);
}

static void check_stream(void)
{
	char buf[16] = "";
	struct stat st;
	int fds[3];

	get(stream[1], "plain and files", fds, 3);
	CHECK(fds_same(fds[0], known));
	SAME(lseek(fds[0], 0, SEEK_CUR), 10);
	SYS(fstat(fds[1], &st));
	SAME(st.st_nlink, 0);
	SAME(SYS(read(fds[1], buf, sizeof(buf))), 4);
	CHECK(memcmp(buf, "eted", 4) == 0);
	fds_link_is(fds[2], "/dev/null");
	SAME(SYS(fcntl(fds[2], F_GETFL)) & O_ACCMODE, O_WRONLY);
	get(stream[1], "pipe", fds, 2);
	SYS(close(fds[1]));
	SAME(SYS(read(fds[0], buf, sizeof(buf))), 11);
	SAME(SYS(read(fds[0], buf, sizeof(buf))), 0);
}

static void check_datagrams(void)
{
	uint64_t count;
	char buf[16];
	int fds[4], again;

	get(dgram[1], "objects", fds, 4);
	SAME(pread(fds[1], buf, sizeof(buf), 0), 6);
	get(fds[3], "further", &again, 1);
	CHECK(fds_same(again, fds[0]));
	SAME(SYS(read(again, &count, sizeof(count))), sizeof(count));
	SAME(count, 7);
	get(self[1], "itself", &again, 1);
	CHECK(fds_same(again, self[1]));
}

int main(void)
{
	make_stream();
	make_datagrams();
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	check_stream();
	check_datagrams();
	victim_ok();
}
