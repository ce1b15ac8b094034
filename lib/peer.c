/* Who is at the other end of a socket; see peer.h. */
#include "lib/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/caps.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/proc.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

void peer_free(struct peer *p)
{
	own_close(&p->pidfd);
	free(p->groups);
	*p = (struct peer){ .pidfd = -1 };
}

static int read_groups(int sock, struct peer *p, struct err *e)
{
	socklen_t size = 0;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
		return err_sys(e, "ask for the groups of the client");
	if (size == 0)
		return 0;
	p->groups = malloc(size);
	if (!p->groups)
		return err_sys(e, "memory for groups");
	if (getsockopt(sock, SOL_SOCKET, SO_PEERGROUPS, p->groups, &size) < 0)
		return err_sys(e, "ask for the groups of the client");
	p->group_count = size / sizeof(*p->groups);
	return 0;
}

/* What was read of /proc/PID was of the peer only if it is still there. */
static int check_lives(const struct peer *p, struct err *e)
{
	struct pollfd end = { .fd = p->pidfd, .events = POLLIN };

	if (p->pidfd >= 0 && poll(&end, 1, 0) == 1)
		return err_code(e, ESRCH, "the client, pid %d, has ended", p->pid);
	return 0;
}

static bool same_namespace(int pid, const char *kind)
{
	char path[64], own[64];
	struct stat theirs, ours;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	snprintf(own, sizeof(own), "/proc/self/ns/%s", kind);
	return stat(path, &theirs) == 0 && stat(own, &ours) == 0 && theirs.st_ino == ours.st_ino &&
	       theirs.st_dev == ours.st_dev;
}

static int effective_caps(int pid, uint64_t *ret, struct err *e)
{
	own_fd proc = -1;

	if (proc_open(pid, &proc, e) < 0)
		return e->code;
	return proc_status_number(proc, "CapEff", 16, ret, e);
}

/* Root in a container is not: it lacks capabilities, or has them in a user namespace of its own. */
static int read_owner(struct peer *p, struct err *e)
{
	uint64_t theirs, ours;

	if (p->uid != geteuid())
		return 0;
	if (effective_caps(getpid(), &ours, e) < 0)
		return e->code;
	if (effective_caps(p->pid, &theirs, e) < 0)
		return err_code(e, ESRCH, "the client, pid %d, has ended", p->pid);
	p->owner = (ours & ~theirs) == 0 && same_namespace(p->pid, "user");
	return 0;
}

int peer_read(int sock, struct peer *ret, struct err *e)
{
	own_peer p = { .pidfd = -1 };
	struct ucred cred;
	socklen_t size = sizeof(cred), pidfd_size = sizeof(p.pidfd);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return err_sys(e, "ask who the client is");
	if (cred.pid <= 0)
		return err_code(e, ESRCH,
				"the client lives where this process cannot see it: in another "
				"pid namespace");
	p.pid = cred.pid;
	p.uid = cred.uid;
	p.gid = cred.gid;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &p.pidfd, &pidfd_size) < 0)
		p.pidfd = syscall(SYS_pidfd_open, p.pid, 0);
	if (read_groups(sock, &p, e) < 0 || read_owner(&p, e) < 0 || check_lives(&p, e) < 0)
		return e->code;
	*ret = p;
	p = (struct peer){ .pidfd = -1 };
	return 0;
}

int peer_check_namespace(const struct peer *p, struct err *e)
{
	if (same_namespace(p->pid, "pid"))
		return 0;
	err_code(e, ENOTSUP, "the client, pid %d here, lives in another pid namespace", p->pid);
	return err_hint(e, "ask from the one that stasis runs in, where pids are the same");
}

int peer_open(const struct peer *p, int num, int flags, int *ret_fd, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", p->pid, num);
	own_fd fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "open descriptor %d of the client, pid %d", num, p->pid);
	if (check_lives(p, e) < 0)
		return e->code;
	*ret_fd = take_fd(&fd);
	return 0;
}

int peer_act_as(const struct peer *p, struct err *e)
{
	if (p->owner)
		return 0;
	if (setgroups(p->group_count, p->groups) < 0)
		return err_sys(e, "take the groups of the client");
	setfsgid(p->gid);
	setfsuid(p->uid);
	/* They tell what was before, not whether it went well. */
	if ((gid_t)setfsgid(-1) != p->gid || (uid_t)setfsuid(-1) != p->uid)
		return err_code(e, EPERM, "cannot take the rights of user %d", (int)p->uid);
	return 0;
}

/* In a process of its own, with nothing but the peer's rights. Returns what its exit status says. */
static int try_to_trace(const struct peer *p, int tid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", tid);
	if (setgroups(p->group_count, p->groups) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
	    setresuid(p->uid, p->uid, p->uid) < 0 || caps_drop_all() < 0)
		return EPERM;
	/* The kernel asks for the same right as PTRACE_ATTACH does, and nobody notices. */
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? errno : 0;
}

int peer_may_trace(const struct peer *p, int tid, struct err *e)
{
	char name[64];
	int status = 0;
	pid_t child;

	if (p->owner)
		return 0;
	child = fork();
	if (child < 0)
		return err_sys(e, "fork");
	if (child == 0)
		_exit(try_to_trace(p, tid));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == ENOENT || WEXITSTATUS(status) == ESRCH))
		return err_code(e, ESRCH, "there is no process %d", tid);
	return err_code(e, EPERM, "user %d, who asks, may not trace %s", (int)p->uid,
			proc_name(tid, name, sizeof(name)));
}
