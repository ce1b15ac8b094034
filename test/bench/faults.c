/*
 * How long a thread waits for a page that is not there.
 *
 *   faults floor MIB: a bare userfaultfd, whose handler in another process copies one page and does nothing else
 *   faults READY MIB: has memory, says so by creating READY, and when there is READY.go touches it; READY.took gets the result
 *
 * "P50 P99 COUNT" in nanoseconds, of the touches that had to wait. Pages lie far apart, in no order.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, APART = 8 * PAGE, TOUCHES = 4000, WAITED_NS = 2000 };

static long long took[TOUCHES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

static void touch(const volatile char *at, size_t size, FILE *out)
{
	size_t places = size / APART, count = 0;

	for (size_t i = 0; i < TOUCHES && i < places; i++) {
		const volatile char *page = at + i * 7919 % places * APART;
		long long from = now_ns();

		(void)*page;
		from = now_ns() - from;
		if (from > WAITED_NS)
			took[count++] = from;
	}
	qsort(took, count, sizeof(*took), by_size);
	fprintf(out, "%lld %lld %zu\n", count ? took[count / 2] : 0,
		count ? took[count * 99 / 100] : 0, count);
}

static void handle(int uffd)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg m;

	memset(page, 'x', sizeof(page));
	while (poll(&p, 1, -1) > 0)
		if (read(uffd, &m, sizeof(m)) == sizeof(m)) {
			struct uffdio_copy c = { .dst = m.arg.pagefault.address & -PAGE,
						 .src = (unsigned long)page,
						 .len = PAGE };

			ioctl(uffd, UFFDIO_COPY, &c);
		}
}

static void bare(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .range = { (unsigned long)at, size },
				     .mode = UFFDIO_REGISTER_MODE_MISSING };

	if (at == MAP_FAILED || uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 ||
	    ioctl(uffd, UFFDIO_REGISTER, &r) < 0)
		die("userfaultfd");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		handle(uffd);
		_exit(0);
	}
	touch(at, size, stdout);
}

static void restored(const char *ready, size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char go[4096], name[4096];
	FILE *out;

	if (at == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < size; i += 512)
		*(size_t *)(at + i) = i + 1;
	snprintf(go, sizeof(go), "%s.go", ready);
	snprintf(name, sizeof(name), "%s.took", ready);
	close(open(ready, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	while (access(go, F_OK) < 0)
		usleep(1000);
	out = fopen(name, "w");
	if (!out)
		die(name);
	touch(at, size, out);
	fclose(out);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	size_t size = argc == 3 ? strtoull(argv[2], NULL, 10) << 20 : 0;

	if (!size)
		return 2;
	if (strcmp(argv[1], "floor") == 0)
		bare(size);
	else
		restored(argv[1], size);
	return 0;
}
