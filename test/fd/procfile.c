/*
 * Files of /proc: of the process itself (with positions in what the kernel makes up), its descriptors, threads and children, of
 * threads and processes that are gone, and of all and none.
 */
#include "test/lib/fds.h"

#include <linux/sched.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/wait.h>

enum { READ_SO_FAR = 200, MAPS_MAX = 65536 };

static struct fds before;
static char maps_text[MAPS_MAX], secret[] = "what the memory holds";
static int maps, mem, self, status, info, alive, alive_dir, dead, dead_thread, dead_dir, child;
static int memory_info, list;

static size_t read_all(int fd, char *buf, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size && (r = SYS(read(fd, buf + n, size - n))) > 0)
		n += r;
	CHECK(n < size);
	buf[n] = 0;
	return n;
}

static int proc_open(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int proc_open(const char *fmt, ...)
{
	char path[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return SYS(open(path, O_RDONLY));
}

/* The number that stands first. */
static void begins_with(int fd, int number)
{
	char buf[4096];

	SAME(lseek(fd, 0, SEEK_SET), 0);
	CHECK(SYS(read(fd, buf, sizeof(buf))) > 0);
	SAME(atoi(buf), number);
}

static void is_of_the_dead(int fd)
{
	char c;

	CHECK(read(fd, &c, 1) < 0 && errno == ESRCH, "%d", errno);
}

static int word[2];

/* Tells when it has closed what it was set up by. */
static void *stays(void *arg)
{
	victim_set();
	*(volatile bool *)arg = true;
	for (;;)
		pause();
	return arg;
}

static void *goes(void *arg)
{
	char c;

	dead_thread = proc_open("/proc/self/task/%d/stat", gettid());
	victim_set();
	SYS(read(word[0], &c, 1));
	return arg;
}

/* A process and a thread that are gone by now. */
static void make_dead(void)
{
	pid_t tid, pid;
	char path[64];

	SYS(pipe(word));
	tid = victim_thread(goes, NULL);
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		pause();
	}
	dead = proc_open("/proc/%d/stat", pid);
	dead_dir = proc_open("/proc/%d", pid);
	SYS(kill(pid, SIGKILL));
	SYS(waitpid(pid, NULL, 0));
	SAME(write(word[1], "", 1), 1);
	snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
	while (access(path, F_OK) == 0)
		victim_sleep_ms(1);
}

static void read_some(void)
{
	int whole = proc_open("/proc/self/maps");
	char some[READ_SO_FAR];

	maps = proc_open("/proc/self/maps");
	list = proc_open("/proc/self/fd");
	mem = proc_open("/proc/self/mem");
	SYS(lseek(mem, (uintptr_t)secret, SEEK_SET));
	self = proc_open("/proc/self/stat");
	status = proc_open("/proc/thread-self/status");
	info = proc_open("/proc/self/fdinfo/%d", maps);
	memory_info = proc_open("/proc/meminfo");
	SYS(read(memory_info, some, 9));
	SYS(chdir("/proc/self"));
	fds_note(&before); /* takes all the memory that it will need */
	read_all(whole, maps_text, sizeof(maps_text));
	SAME(SYS(read(maps, some, sizeof(some))), sizeof(some));
	SYS(close(whole));
	fds_note(&before);
}

static void check_list(void)
{
	char buf[4096];
	long n, count = 0;

	while ((n = SYS(syscall(SYS_getdents64, list, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < n; count++)
			at += *(unsigned short *)(buf + at + 16);
	SAME(count, before.count + 2); /* with "." and ".." */
}

static void check_all(pid_t pid, pid_t tid)
{
	static char buf[MAPS_MAX];
	char name[32];

	read_all(maps, buf, sizeof(buf));
	CHECK(strcmp(buf, maps_text + READ_SO_FAR) == 0, "the rest is now:\n%s", buf);
	SAME(SYS(read(mem, buf, sizeof(secret))), sizeof(secret));
	CHECK(strcmp(buf, secret) == 0);
	begins_with(self, getpid());
	begins_with(child, pid);
	begins_with(alive, tid);
	snprintf(name, sizeof(name), "comm");
	SYS(close(SYS(openat(alive_dir, name, O_RDONLY))));
	SYS(read(status, buf, sizeof(buf) - 1));
	CHECK(strncmp(buf, "Name:", 5) == 0);
	SYS(read(info, buf, sizeof(buf) - 1));
	CHECK(strncmp(buf, "pos:", 4) == 0);
	is_of_the_dead(dead);
	is_of_the_dead(dead_thread);
	CHECK(openat(dead_dir, "stat", O_RDONLY) < 0 && (errno == ENOENT || errno == ESRCH));
	SAME(lseek(memory_info, 0, SEEK_CUR), 9);
	SYS(access("fdinfo/0", F_OK)); /* below the current directory */
	check_list();
}

/* A process with this number. */
static void take(int pid)
{
	struct clone_args args = { .set_tid = (uintptr_t)&pid, .set_tid_size = 1 };

	if (SYS(syscall(SYS_clone3, &args, sizeof(args))) == 0)
		sleep(60);
	_exit(0);
}

int main(int argc, char **argv)
{
	static volatile bool set_up;
	pid_t pid, tid;

	if (argc > 2 && strcmp(argv[1], "take") == 0)
		take(atoi(argv[2]));
	if (argc > 2) {
		proc_open("/proc/%s/stat", argv[2]);
		victim_ready();
		victim_ok();
	}
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		_exit(0);
	}
	child = proc_open("/proc/%d/stat", pid);
	tid = victim_thread(stays, (void *)&set_up);
	while (!set_up)
		victim_sleep_ms(1);
	alive = proc_open("/proc/self/task/%d/stat", tid);
	alive_dir = proc_open("/proc/self/task/%d", tid);
	make_dead();
	read_some();
	victim_ready();
	fds_check(&before);
	check_all(pid, tid);
	victim_reap(pid);
	victim_ok();
}
