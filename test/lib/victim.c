/* See victim.h. What is said goes into files whose names come from the environment. */
#include "test/lib/victim.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_THREADS 1100

static char ready_path[256], go_path[256], result_path[256];
static int round_now = 1;
/* The thread's own round: taken before the main thread may go on to the next one. */
static __thread int my_round;
static __thread int set_fd = -1;

static struct thread {
	void *(*fn)(void *);
	void *arg;
	int set_fd;
	pid_t tid;
	pthread_t handle;
} threads[MAX_THREADS];
static int thread_count;

static void path_from(char *path, const char *name)
{
	const char *value = getenv(name);

	snprintf(path, 256, "%s", value ? value : "/dev/null");
}

__attribute__((constructor)) static void victim_start(void)
{
	path_from(ready_path, "VICTIM_READY");
	path_from(go_path, "VICTIM_GO");
	path_from(result_path, "VICTIM_RESULT");
	close_range(3, ~0U, 0);
}

/* The file appears with its contents in it; of several writers the first one wins. */
static void say_in(const char *path, const char *text)
{
	char part[300];
	int fd;

	snprintf(part, sizeof(part), "%s.%d", path, (int)syscall(SYS_gettid));
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(3);
	close(fd);
	if (link(part, path) < 0 && errno != EEXIST)
		_exit(3);
	unlink(part);
}

void victim_ok(void)
{
	say_in(result_path, "ok\n");
	_exit(0);
}

void victim_skip(const char *reason)
{
	char line[512];

	snprintf(line, sizeof(line), "SKIP %s\n", reason);
	say_in(result_path, line);
	_exit(0);
}

void victim_fail(const char *file, int line, const char *what, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	size_t n;

	n = snprintf(text, sizeof(text), "FAIL %s:%d: %s:", file, line, what);
	n = n < sizeof(text) ? n : sizeof(text) - 1;
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof(text) - n, fmt, ap);
	va_end(ap);
	n = strlen(text);
	snprintf(text + (n < sizeof(text) - 2 ? n : sizeof(text) - 2), 2, "\n");
	say_in(result_path, text);
	_exit(1);
}

void victim_sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

int64_t victim_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void wait_round(int number)
{
	char path[300];

	snprintf(path, sizeof(path), "%s.%d", go_path, number);
	while (access(path, F_OK) < 0)
		victim_sleep_ms(5);
}

void victim_wait(void)
{
	wait_round(my_round++);
}

void victim_ready(void)
{
	char path[300], text[32];

	snprintf(path, sizeof(path), "%s.%d", ready_path, round_now);
	snprintf(text, sizeof(text), "%d\n", getpid());
	say_in(path, text);
	wait_round(round_now++);
}

void victim_set(void)
{
	char byte = 1;

	my_round = round_now;
	SYS(write(set_fd, &byte, 1));
	SYS(close(set_fd));
	set_fd = -1;
}

static void wait_set(int fd)
{
	char byte;
	ssize_t n;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	CHECK(n == 1, "a child or thread ended while it set itself up");
	SYS(close(fd));
}

pid_t victim_fork(void)
{
	int ends[2];
	pid_t pid;

	SYS(pipe2(ends, O_CLOEXEC));
	pid = SYS(fork());
	if (pid == 0) {
		SYS(close(ends[0]));
		thread_count = 0;
		set_fd = ends[1];
		return 0;
	}
	SYS(close(ends[1]));
	wait_set(ends[0]);
	return pid;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	set_fd = t->set_fd;
	t->tid = syscall(SYS_gettid);
	return t->fn(t->arg);
}

pid_t victim_thread(void *(*fn)(void *), void *arg)
{
	struct thread *t = &threads[thread_count];
	pthread_attr_t attr;
	int ends[2];

	CHECK(thread_count < MAX_THREADS);
	SYS(pipe2(ends, O_CLOEXEC));
	*t = (struct thread){ .fn = fn, .arg = arg, .set_fd = ends[1] };
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	errno = pthread_create(&t->handle, &attr, thread_main, t);
	CHECK(errno == 0, "%s", strerror(errno));
	pthread_attr_destroy(&attr);
	wait_set(ends[0]);
	thread_count++;
	return t->tid;
}

void victim_reap(pid_t pid)
{
	int status;

	SAME(SYS(waitpid(pid, &status, 0)), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "wait status of child %d is 0x%x", pid,
	      status);
}

void victim_join(void)
{
	for (int i = 0; i < thread_count; i++) {
		errno = pthread_join(threads[i].handle, NULL);
		CHECK(errno == 0, "thread %d: %s", threads[i].tid, strerror(errno));
	}
	thread_count = 0;
}

static bool is_blocked(pid_t tid, long nr)
{
	char path[64], text[512], *end;
	FILE *file;
	bool sleeps = false;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	file = fopen(path, "re");
	CHECK(file, "thread %d is gone", tid);
	if (fgets(text, sizeof(text), file)) {
		end = strrchr(text, ')');
		sleeps = end && end[1] == ' ' && end[2] == 'S';
	}
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	file = fopen(path, "re");
	CHECK(file && fgets(text, sizeof(text), file), "cannot read '%s'", path);
	fclose(file);
	return sleeps && (nr < 0 || strtol(text, NULL, 10) == nr);
}

void victim_blocked(pid_t tid, long nr)
{
	while (!is_blocked(tid, nr))
		victim_sleep_ms(1);
}

uint64_t victim_proc(const char *path, const char *key, int base)
{
	char line[4096];
	FILE *file = fopen(path, "re");

	CHECK(file, "open '%s': %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		fclose(file);
		return strtoull(line + strlen(key), NULL, base);
	}
	victim_fail(path, 0, key, " there is no such line");
}

uint64_t victim_own(const char *file, const char *key, int base)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", syscall(SYS_gettid), file);
	return victim_proc(path, key, base);
}

void *victim_shared(size_t size)
{
	return SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static struct {
	void (*set)(int number);
	uint64_t (*get)(void);
} kept;

static void *keep(void *number)
{
	uint64_t was;

	kept.set((long)number);
	was = kept.get();
	victim_set();
	victim_wait();
	SAME(kept.get(), was);
	return NULL;
}

void victim_keeps(void (*set)(int number), uint64_t (*get)(void))
{
	uint64_t was;

	kept.set = set;
	kept.get = get;
	victim_thread(keep, (void *)1);
	victim_thread(keep, (void *)2);
	set(0);
	was = get();
	victim_ready();
	SAME(get(), was);
	victim_join();
	victim_ok();
}
