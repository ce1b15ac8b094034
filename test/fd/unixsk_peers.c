/*
 * Who is at the other end: SO_PEERCRED with groups, of processes that live and of one that is gone, of pairs, of both ends of a
 * connection and of one that waits; and who has sent what waits (SO_PASSCRED).
 */
#include "test/lib/fds.h"

#include <grp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { USER = 1234, GROUP = 567, OTHER = 4321 };

static int listening, by_gone[2], client, accepted, waiting, mail[2];
static pid_t gone, child, *sender;
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static socklen_t name_size;

static void made_by(int fd, pid_t pid, uid_t uid, gid_t gid)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	SYS(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
	SAME(who.pid, pid);
	SAME(who.uid, uid);
	SAME(who.gid, gid);
}

static void has_groups(int fd, int count)
{
	gid_t groups[16];
	socklen_t size = sizeof(groups);

	SYS(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size));
	SAME(size / sizeof(gid_t), count);
	for (int i = 0; i < count; i++)
		SAME(groups[i], 11 * (i + 1));
}

static void become(uid_t uid, gid_t gid)
{
	const gid_t groups[] = { 11, 22 };

	SYS(setgroups(2, groups));
	SYS(setresgid(gid, gid, gid));
	SYS(setresuid(uid, uid, uid));
}

static void get(int fd, char wanted, pid_t pid, uid_t uid)
{
	char room[CMSG_SPACE(sizeof(struct ucred))], c;
	struct iovec io = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	const struct ucred *who = (struct ucred *)CMSG_DATA((struct cmsghdr *)room);

	SAME(SYS(recvmsg(fd, &m, MSG_DONTWAIT)), 1);
	SAME(c, wanted);
	SAME(((struct cmsghdr *)room)->cmsg_type, SCM_CREDENTIALS);
	SAME(who->pid, pid);
	SAME(who->uid, uid);
}

/* Shares our descriptors, and leaves when it has made them. */
static void make_gone(void)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	int *ends = victim_shared(2 * sizeof(int));

	gone = SYS(syscall(SYS_clone3, &args, sizeof(args)));
	if (gone == 0) {
		become(OTHER, GROUP);
		SYS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
		_exit(0);
	}
	victim_reap(gone);
	memcpy(by_gone, ends, sizeof(by_gone));
}

static void make_mail(void)
{
	int on = 1;

	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, mail));
	SYS(setsockopt(mail[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	SAME(SYS(send(mail[1], "1", 1, 0)), 1);
	sender = victim_shared(sizeof(*sender));
	*sender = victim_fork();
	if (*sender == 0) {
		become(OTHER, GROUP);
		SAME(SYS(send(mail[1], "2", 1, 0)), 1);
		victim_set();
		_exit(0);
	}
	victim_reap(*sender);
	SAME(SYS(send(mail[1], "3", 1, 0)), 1);
}

static void server(void)
{
	int fd;

	become(USER, GROUP);
	listening = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(bind(listening, (struct sockaddr *)&name, name_size));
	SYS(listen(listening, 5));
	victim_set();
	accepted = SYS(accept(listening, NULL, NULL));
	victim_wait();
	made_by(accepted, getppid(), 0, 0);
	made_by(listening, getpid(), USER, GROUP);
	has_groups(listening, 2);
	/* The one that waited. */
	fd = SYS(accept(listening, NULL, NULL));
	made_by(fd, getppid(), 0, 0);
	_exit(0);
}

int main(void)
{
	char state = 0;

	SYS(setgroups(0, NULL));
	name_size = offsetof(struct sockaddr_un, sun_path) + 1 +
		    snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "peers %d", getpid());
	make_gone();
	make_mail();
	child = victim_fork();
	if (child == 0)
		server();
	client = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(connect(client, (struct sockaddr *)&name, name_size));
	waiting = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	victim_sleep_ms(100); /* the first is accepted by then */
	SYS(connect(waiting, (struct sockaddr *)&name, name_size));
	victim_ready();
	made_by(by_gone[0], gone, OTHER, GROUP);
	made_by(by_gone[1], gone, OTHER, GROUP);
	has_groups(by_gone[0], 2);
	made_by(client, child, USER, GROUP);
	has_groups(client, 2);
	made_by(waiting, child, USER, GROUP);
	get(mail[0], '1', getpid(), 0);
	get(mail[0], '2', *sender, OTHER);
	get(mail[0], '3', getpid(), 0);
	SAME(recv(mail[0], &state, 1, MSG_DONTWAIT), -1);
	SAME(SYS(send(mail[1], "4", 1, 0)), 1);
	get(mail[0], '4', getpid(), 0);
	victim_reap(child);
	victim_ok();
}
