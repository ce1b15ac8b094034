/* Ten thousand descriptors: of one file, of many, with gaps, half of them close-on-exec. */
#include <sys/resource.h>

#include "test/lib/fds.h"

enum { COUNT = 10000, STEP = 3 };

static bool wanted(int i)
{
	return i % STEP != 1;
}

static void check_one(int i)
{
	int fd = 10 + i, flags = fcntl(fd, F_GETFD);

	if (!wanted(i)) {
		CHECK(flags == -1, "fd %d is open", fd);
		return;
	}
	CHECK(flags == (i % 2 ? FD_CLOEXEC : 0), "fd %d: %d", fd, flags);
	if (i % STEP == 0)
		CHECK(lseek(fd, 0, SEEK_CUR) == i, "fd %d is at %ld", fd,
		      (long)lseek(fd, 0, SEEK_CUR));
}

int main(void)
{
	struct rlimit limit;
	int file, ends[2];

	SYS(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	SYS(setrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < COUNT + 100)
		victim_skip("the limit of open files is too low");
	file = SYS(open(fds_path("file"), O_CREAT | O_RDWR, 0600));
	SYS(ftruncate(file, COUNT));
	SYS(pipe(ends));
	for (int i = 0; i < COUNT; i++) {
		int fd = i % STEP ? ends[i & 1] : SYS(open(fds_path("file"), O_RDONLY));

		if (i % STEP == 0)
			SYS(lseek(fd, i, SEEK_SET));
		if (wanted(i))
			SYS(dup3(fd, 10 + i, i % 2 ? O_CLOEXEC : 0));
		if (i % STEP == 0 && fd != 10 + i)
			SYS(close(fd));
	}
	victim_ready();
	for (int i = 0; i < COUNT; i++)
		check_one(i);
	CHECK(fds_same(12, 12 + 6));
	CHECK(!fds_same(10, 10 + 6));
	victim_ok();
}
