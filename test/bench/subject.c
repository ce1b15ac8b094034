/*
 * What the benchmark saves and restores: a process that has much of one thing and waits. It says that it
 * is ready by creating a file.
 *
 *   subject READY memory MIB | crowd MIB (of four processes) | zeros MIB | text MIB | random MIB | same MIB | family MIB |
 *                 threads N | tasks N | mappings N | descriptors N | sockets N | connections N | registrations N (of an epoll) | watches N (of an inotify, in READY.d)
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test/bench/contents.h"

#define PAGE 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *map(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		die("mmap");
	return at;
}

/* No page is zero, and no two are equal, here or in another process. */
static void have_memory(size_t mib)
{
	size_t seed = (size_t)getpid() << 32;
	char *at = map(mib << 20);

	for (size_t i = 0; i < mib << 20; i += 512)
		*(size_t *)(at + i) = seed + i + 1;
}

static void have_same(size_t mib)
{
	memset(map(mib << 20), 'x', mib << 20);
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* None of it is from before the others were born. */
static void have_crowd(size_t mib)
{
	enum { PROCESSES = 4 };
	int done[2];
	char one = 0;

	if (pipe(done) < 0)
		die("pipe");
	for (int i = 1; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0) {
			have_memory(mib / PROCESSES);
			if (write(done[1], &one, 1) != 1)
				die("write");
			close_range(3, ~0U, 0);
			wait_forever(NULL);
		}
	}
	have_memory(mib / PROCESSES);
	for (int i = 1; i < PROCESSES; i++)
		if (read(done[0], &one, 1) != 1)
			die("read");
	close_range(3, ~0U, 0);
}

static void have_contents(const char *sort, size_t size)
{
	if (strcmp(sort, "zeros") == 0 || strcmp(sort, "text") == 0 || strcmp(sort, "random") == 0)
		contents_fill(map(size), size, sort);
}

static void have_threads(size_t n)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (size_t i = 1; i < n; i++)
		if (pthread_create(&thread, &attr, wait_forever, NULL) != 0)
			die("pthread_create");
}

static void have_tasks(size_t n)
{
	for (size_t i = 1; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			wait_forever(NULL);
	}
}

/* Four processes that have the same, each on pages of its own. */
static void have_family(size_t mib)
{
	size_t size = (mib << 20) / 4;
	int ready[2];
	char byte;

	if (pipe(ready) < 0)
		die("pipe");
	for (size_t i = 0; i < 4; i++) {
		pid_t pid = i < 3 ? fork() : 0;

		if (pid < 0)
			die("fork");
		if (pid > 0)
			continue;
		contents_fill(map(size), size, "random");
		if (i == 3)
			break;
		if (write(ready[1], "", 1) != 1)
			die("write");
		close(ready[0]);
		close(ready[1]);
		wait_forever(NULL);
	}
	for (size_t i = 0; i < 3; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("read");
	close(ready[0]);
	close(ready[1]);
}

/* Neighbours differ in protection, so that none are merged; each has a page of its own. */
static void have_mappings(size_t n)
{
	char *at = map(n * PAGE);

	for (size_t i = 0; i < n; i++) {
		*(size_t *)(at + i * PAGE) = i + 1;
		if (i % 2 && mprotect(at + i * PAGE, PAGE, PROT_READ) < 0)
			die("mprotect");
	}
}

static void have_descriptors(size_t n)
{
	struct rlimit limit = { n + 64, n + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	for (size_t i = 0; i < n; i++)
		if (open("/proc/self/exe", O_RDONLY | O_CLOEXEC) < 0)
			die("open");
}

/* Half as many pairs of UNIX sockets. */
static void have_sockets(size_t n)
{
	struct rlimit limit = { n + 64, n + 64 };
	int ends[2];

	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	for (size_t i = 0; i + 1 < n; i += 2)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
			die("socketpair");
}

/* Both ends of half as many connections of TCP, over the loopback interface. */
static void have_connections(size_t n)
{
	struct rlimit limit = { n + 64, n + 64 };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (server < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    bind(server, (struct sockaddr *)&at, size) < 0 || listen(server, 8) < 0 ||
	    getsockname(server, (struct sockaddr *)&at, &size) < 0)
		die("listen");
	for (size_t i = 0; i + 1 < n; i += 2) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&at, size) < 0 ||
		    accept4(server, NULL, NULL, SOCK_CLOEXEC) < 0)
			die("connect");
	}
	close(server);
}

/* Sockets, which can be told by their inodes. Of others the kernel has to be asked, which looks for each one by one. */
static void have_registrations(size_t n)
{
	struct rlimit limit = { n + 64, n + 64 };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("setrlimit");
	for (size_t i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u64 = i };
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) < 0)
			die("epoll");
	}
}

static const char *place;

/* Directories, as those who watch a whole tree have them. */
static void have_watches(size_t n)
{
	int fd = inotify_init1(IN_CLOEXEC);
	char path[512];

	if (fd < 0)
		die("inotify");
	snprintf(path, sizeof(path), "%s.d", place);
	mkdir(path, 0700);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s.d/%zu", place, i);
		mkdir(path, 0700);
		if (inotify_add_watch(fd, path, IN_ALL_EVENTS) < 0)
			die("inotify_add_watch");
	}
}

static const struct {
	const char *name;
	void (*have)(size_t n);
} subjects[] = {
	{ "memory", have_memory },     { "crowd", have_crowd },
	{ "threads", have_threads },   { "tasks", have_tasks },
	{ "mappings", have_mappings }, { "descriptors", have_descriptors },
	{ "same", have_same },	       { "family", have_family },
	{ "sockets", have_sockets },   { "connections", have_connections },
	{ "watches", have_watches },   { "registrations", have_registrations },
};

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	close_range(3, ~0U, 0);
	place = argv[1];
	have_contents(argv[2], strtoull(argv[3], NULL, 10) << 20);
	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		if (strcmp(argv[2], subjects[i].name) == 0)
			subjects[i].have(strtoull(argv[3], NULL, 10));
	close(open(argv[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	wait_forever(NULL);
	return 0;
}
