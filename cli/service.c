/*
 * 'service' and 'swrk'; see service.h. A service is there for everybody on the machine (mode 0666): each connection has a
 * process of its own, and nobody has more of them than leaves room for others. What a client may ask for is decided
 * in rpc_setup.c.
 */
#include "cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/rpc.h"
#include "cli/server.h"
#include "lib/own.h"
#include "lib/pidfile.h"

#define SOCKET_DEFAULT "criu_service.socket"

enum { BACKLOG = 16, CONNECTIONS_MAX = 256, PER_USER_MAX = 32, REAP_MS = 1000, LATER_US = 10000 };

/* Who is being served. */
struct served {
	pid_t pid; /* 0: nobody */
	uid_t uid;
};

/* Only what a service has left there is removed. */
static int remove_old(const char *path, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, "look at '%s'", path);
	if (!S_ISSOCK(st.st_mode)) {
		err_code(e, EEXIST, "'%s' is there, and is no socket", path);
		return err_hint(e, "name another path with --address");
	}
	return unlink(path) < 0 ? err_sys(e, "remove '%s'", path) : 0;
}

static int listen_at(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	own_fd fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "make a socket");
	if (strlen(path) >= sizeof(at.sun_path))
		return err_say(e, "the path '%s' is too long for a socket", path);
	strcpy(at.sun_path, path);
	if (remove_old(path, e) < 0)
		return e->code;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen at '%s'", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static void reap(struct served *all)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < CONNECTIONS_MAX; i++)
			if (all[i].pid == pid)
				all[i].pid = 0;
}

/* A place for one more of this user; NULL: there is none. */
static struct served *place_for(struct served *all, uid_t uid)
{
	struct served *free_place = NULL;
	size_t count = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (!all[i].pid)
			free_place = &all[i];
		else if (all[i].uid == uid)
			count++;
	}
	return uid != geteuid() && count >= PER_USER_MAX ? NULL : free_place;
}

static void serve(int listener, int sock)
{
	struct rpc rpc = { .sock = sock };

	close(listener);
	signal(SIGCHLD, SIG_DFL);
	_exit(rpc_serve(&rpc));
}

static void take_connection(int listener, int sock, struct served *all)
{
	struct ucred cred = {};
	socklen_t size = sizeof(cred);
	struct served *place;
	pid_t child;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return;
	place = place_for(all, cred.uid);
	if (!place) {
		log_warn("user %d has too many connections; one more was closed", (int)cred.uid);
		return;
	}
	child = fork();
	if (child == 0)
		serve(listener, sock);
	if (child < 0)
		log_warn("fork for a connection: %s", strerror(errno));
	else
		*place = (struct served){ child, cred.uid };
}

static void on_child(int sig)
{
	(void)sig; /* only wakes us up */
}

static int take_connections(int listener, struct err *e)
{
	struct served all[CONNECTIONS_MAX] = {};
	struct pollfd waits = { .fd = listener, .events = POLLIN };
	struct sigaction sa = { .sa_handler = on_child };

	sigaction(SIGCHLD, &sa, NULL);
	for (;;) {
		if (poll(&waits, 1, REAP_MS) > 0) {
			own_fd sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

			reap(all);
			if (sock >= 0)
				take_connection(listener, sock, all);
			else if (errno == EBADF || errno == EINVAL)
				return err_sys(e, "accept a connection");
			else if (errno != EINTR && errno != ECONNABORTED)
				usleep(LATER_US); /* no descriptors, no memory: later */
		}
		reap(all);
	}
}

int service_run(const struct options *opt, struct err *e)
{
	const char *path = opt->address ? opt->address : SOCKET_DEFAULT;
	own_fd listener = -1;

	if (listen_at(path, &listener, e) < 0)
		return e->code;
	if (opt->detached && server_to_background(e) < 0)
		return e->code;
	if (server_tell_ready(opt, e) < 0)
		return e->code;
	log_info("requests are taken at '%s'", path);
	return take_connections(listener, e);
}

int swrk_run(const struct invocation *inv, struct err *e)
{
	struct rpc rpc = { .swrk = true, .base = &inv->opt };
	int type = 0;
	socklen_t size = sizeof(type);
	char *end;
	long num = strtol(inv->word, &end, 10);

	if (end == inv->word || *end || num < 0 || num > INT32_MAX ||
	    getsockopt((int)num, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return err_say(e, "'%s' is not the number of a connected SOCK_SEQPACKET socket",
			       inv->word);
	/* Tasks and programs that are started have no use for it. */
	fcntl((int)num, F_SETFD, FD_CLOEXEC);
	rpc.sock = (int)num;
	/* The options have been handed over, piece by piece. */
	_exit(rpc_serve(&rpc));
}
