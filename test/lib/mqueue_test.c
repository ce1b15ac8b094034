/* Looking at what lies in a message queue loses nothing, also when whoever looks, or the one who takes it out, is killed. */
#include "lib/mqueue.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/lib/unit.h"

enum { COUNT = 10, SIZE = 8192 };

static const unsigned int priorities[COUNT] = { 3, 9, 3, 0, 9, 3, 1, 1, 9, 0 };
static char text[SIZE];

/* Different lengths, one of them none; each begins with its number. */
static size_t size_of(int i)
{
	return i == 5 ? 0 : i == 8 ? SIZE : i * 37 + 1;
}

static int make(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/stasis-unit-%d", getpid());
	fd = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, NULL);
	assert(fd >= 0 && mq_unlink(name) == 0);
	for (int i = 0; i < COUNT; i++) {
		text[0] = (char)('a' + i);
		assert(mq_send(fd, text, size_of(i), priorities[i]) == 0);
	}
	return fd;
}

/* Highest priority first, and in the order of sending. */
static void see_all(int fd)
{
	struct mqueue_message *all, *m;
	struct err e = { 0 };
	size_t count = 0, size = 0;

	assert(mqueue_look(fd, &all, &count, &size, &e) == 0);
	assert(count == COUNT);
	m = all;
	for (int p = 9; p >= 0; p--)
		for (int i = 0; i < COUNT; i++) {
			if ((int)priorities[i] != p)
				continue;
			assert((int)m->priority == p && m->size == size_of(i));
			assert(m->size == 0 || m->data[0] == 'a' + i);
			m = mqueue_next(m);
		}
	munmap(all, size + 1);
}

static void in_order(void)
{
	int fd = make();

	see_all(fd);
	see_all(fd);
	close(fd);
}

/* How often it has been seen as a whole. */
static volatile unsigned int *looks;

static void look_for_ever(int fd)
{
	for (;; ++*looks) {
		struct mqueue_message *all;
		struct err e = { 0 };
		size_t count, size;

		if (mqueue_look(fd, &all, &count, &size, &e) < 0)
			_exit(1);
		munmap(all, size + 1);
	}
}

/* The process that the looking one has made, 0: none at this moment. */
static pid_t helper_of(pid_t pid)
{
	char path[64];
	int helper = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &helper) != 1)
		helper = 0;
	if (f)
		fclose(f);
	return helper;
}

/* When the last of those who hold the pipe has gone, it has an end. */
static void round_of(int fd, int round, bool helpers)
{
	struct timespec pause = { .tv_nsec = 1000L * (50 + round * 7 % 500) };
	int ends[2];
	char c;
	pid_t pid;

	assert(pipe(ends) == 0);
	pid = fork();
	if (pid == 0)
		look_for_ever(fd);
	close(ends[1]);
	for (int i = 0; i < (helpers ? 5 : 0); i++) {
		pid_t helper;

		nanosleep(&pause, NULL);
		helper = helper_of(pid);
		if (helper)
			kill(helper, SIGKILL);
	}
	/* Both killed at the same time would be too much. */
	for (unsigned int seen = *looks; helpers && *looks < seen + 2;)
		nanosleep(&pause, NULL);
	nanosleep(&pause, NULL);
	assert(waitpid(pid, NULL, WNOHANG) == 0);
	assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	assert(read(ends[0], &c, 1) == 0);
	close(ends[0]);
	see_all(fd);
}

static void killed_while_looking(void)
{
	int fd = make();

	for (int round = 0; round < 200; round++)
		round_of(fd, round, false);
	close(fd);
}

static void helpers_killed(void)
{
	int fd = make();

	for (int round = 0; round < 200; round++)
		round_of(fd, round, true);
	close(fd);
}

int main(void)
{
	looks = mmap(NULL, sizeof(*looks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	assert(looks != MAP_FAILED);
	return unit_run((struct unit[]){
		UNIT(in_order), UNIT(killed_while_looking), UNIT(helpers_killed), {} });
}
