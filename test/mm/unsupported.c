/* Mappings that cannot be saved; the address goes into the test's directory, since the refusal names it. */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

static void *anon(size_t size)
{
	return SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static void *sealed(void)
{
	void *at = anon(PAGE);

	if (syscall(SYS_mseal, at, PAGE, 0) < 0)
		victim_skip("this kernel has no mseal");
	return at;
}

static void *secret(void)
{
	int fd = syscall(SYS_memfd_secret, 0);
	void *at;

	if (fd < 0)
		victim_skip("this kernel has no memfd_secret");
	SYS(ftruncate(fd, PAGE));
	at = SYS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	return at;
}

static void *uring(void)
{
	struct io_uring_params params = {};
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	void *at;

	if (fd < 0)
		victim_skip("there is no io_uring");
	at = SYS(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING));
	close(fd);
	return at;
}

static void *perf(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE,
					.size = sizeof(attr),
					.config = PERF_COUNT_SW_CPU_CLOCK };
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	void *at;

	if (fd < 0)
		victim_skip("there are no performance events");
	at = SYS(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	return at;
}

static void *uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *at = anon(PAGE);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
		victim_skip("there is no userfaultfd");
	reg.range.start = (uintptr_t)at;
	reg.range.len = PAGE;
	SYS(ioctl(fd, UFFDIO_REGISTER, &reg));
	return at;
}

static void *packet(void)
{
	struct tpacket_req ring = { PAGE, 2, 2048, 4 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	void *at;

	if (fd < 0)
		victim_skip("there are no packet sockets");
	SYS(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof(ring)));
	at = SYS(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	close(fd);
	return at;
}

static const struct {
	const char *name;
	void *(*make)(void);
} kinds[] = {
	{ "sealed", sealed }, { "secret", secret }, { "uring", uring },
	{ "perf", perf },     { "uffd", uffd },	    { "packet", packet },
};

int main(int, char **argv)
{
	void *at = NULL;
	char path[256];
	FILE *f;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].name, argv[1]) == 0)
			at = kinds[i].make();
	CHECK(at);
	snprintf(path, sizeof(path), "%s/address", getenv("TEST_DIR"));
	f = fopen(path, "we");
	CHECK(f);
	fprintf(f, "%lx", (unsigned long)at);
	fclose(f);
	victim_ready();
	victim_ok();
}
