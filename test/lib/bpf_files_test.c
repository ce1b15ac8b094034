/* What is told of the open files of this process. */
#include "lib/bpf_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/io.h"
#include "test/lib/unit.h"

static uint64_t at(const struct file_told *all, size_t count, int num)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].num == (uint64_t)num)
			return all[i].at;
	return 0;
}

static void same_description_same_address(void)
{
	struct file_told *all = NULL;
	struct err e = { 0 };
	size_t count = 0;
	int program, fd = open("/dev/null", O_RDONLY), copy = dup(fd),
		     again = open("/dev/null", O_RDONLY);

	if (files_told_open(&program, &e) < 0)
		unit_skip(e.text);
	assert(files_told_read(program, getpid(), &all, &count, &e) == 0);
	assert(at(all, count, fd) && at(all, count, fd) == at(all, count, copy));
	assert(at(all, count, again) && at(all, count, again) != at(all, count, fd));
	assert(at(all, count, 12345) == 0);
	for (size_t i = 1; i < count; i++)
		assert(all[i - 1].num < all[i].num);
	free(all);
	close(program);
}

static int make(int kind)
{
	int ends[2], fd;

	switch (kind) {
	case 0:
		return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	case 1:
		fd = open("/proc/self/exe", O_RDONLY | O_NOATIME);
		assert(lseek(fd, 0x123456789aL, SEEK_SET) > 0);
		return fd;
	case 2:
		return open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	case 3:
		assert(pipe2(ends, O_NONBLOCK) == 0);
		return ends[1];
	case 4:
		return socket(AF_INET, SOCK_STREAM, 0);
	case 5:
		return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	case 6:
		return memfd_create("m", 0);
	case 7:
		return open("/dev/null", O_WRONLY | O_APPEND);
	case 8:
		return eventfd(3, 0);
	case 9:
		return epoll_create1(0);
	case 10:
		return timerfd_create(CLOCK_MONOTONIC, 0);
	default:
		fd = memfd_create("locked", MFD_CLOEXEC);
		assert(flock(fd, LOCK_EX) == 0);
		return fd;
	}
}

enum { KINDS = 12, TOLD_BY_ALL = 8 };

static const struct file_told *entry(const struct file_told *all, size_t count, int num)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].num == (uint64_t)num)
			return &all[i];
	return NULL;
}

/* The number of a socket is its own here. UNIX sockets have a line more. */
static void same_text_as_fdinfo(void)
{
	int program, fds[KINDS];
	struct file_told *all = NULL;
	struct err e = { 0 };
	size_t count = 0;

	if (files_told_open(&program, &e) < 0)
		unit_skip(e.text);
	for (int i = 0; i < KINDS; i++) {
		fds[i] = fcntl(make(i), i % 3 ? F_DUPFD : F_DUPFD_CLOEXEC, i * 60 + 20);
		assert(fds[i] >= 0);
	}
	assert(files_told_read(program, getpid(), &all, &count, &e) == 0);
	for (int i = 0; i < KINDS; i++) {
		char text[FILE_TEXT_MAX], path[64], *real = NULL, *more;
		const struct file_told *f = entry(all, count, fds[i]);
		bool told;

		assert(f);
		/* Somebody may have had a lock on a file that is not ours alone. */
		told = file_told_text(f, text);
		assert(told == (i < TOLD_BY_ALL && !f->locks));
		if (!told)
			continue;
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[i]);
		assert(io_slurp(AT_FDCWD, path, &real, NULL, &e) == 0);
		more = strstr(real, "scm_fds:");
		if (more)
			*more = 0;
		if (strcmp(real, text) != 0)
			printf("# kind %d: '%s', not '%s'\n", i, text, real);
		assert(strcmp(real, text) == 0);
		free(real);
	}
	free(all);
	close(program);
}

/* Where the kernel does not tell, there may be one. */
static void owner_is_told(void)
{
	int program, fd = memfd_create("owned", 0);
	struct file_told *all = NULL;
	struct err e = { 0 };
	size_t count = 0;

	if (files_told_open(&program, &e) < 0)
		unit_skip(e.text);
	assert(fcntl(fd, F_SETOWN, getpid()) == 0);
	assert(files_told_read(program, getpid(), &all, &count, &e) == 0);
	assert(entry(all, count, fd)->owner);
	free(all);
	close(program);
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(same_description_same_address),
					 UNIT(same_text_as_fdinfo),
					 UNIT(owner_is_told),
					 {} });
}
