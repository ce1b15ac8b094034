/* Rings of io_uring that are refused, as number 3. */
#include "test/fd/uring.h"

#include <sys/eventfd.h>

static struct ring ring;

static void poll_for_ever(void)
{
	int fd;

	ring_make(&ring, 8, 0);
	fd = SYS(eventfd(0, 0));
	ring_add(&ring, IORING_OP_POLL_ADD, 5)->fd = fd;
	ring.sqes[0].poll32_events = 1;
	ring_submit(&ring, 1, 0);
}

static void poll_check(void)
{
	SYS(eventfd_write(4, 1));
	ring_submit(&ring, 0, 1);
	ring_take(&ring, 5, 1);
}

/* A timeout is in no list. */
static void timeout(void)
{
	static struct __kernel_timespec hour = { .tv_sec = 3600 };

	ring_make(&ring, 8, 0);
	ring_turn(&ring, 10, 0);
	ring_add(&ring, IORING_OP_TIMEOUT, 6);
	ring.sqes[10 % 8].addr = (uintptr_t)&hour;
	ring.sqes[10 % 8].len = 1;
	ring_submit(&ring, 1, 0);
}

static void event(void)
{
	int fd;

	ring_make(&ring, 8, 0);
	fd = SYS(eventfd(0, 0));
	SYS(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_EVENTFD, &fd, 1));
}

/* It is still told. */
static void event_check(void)
{
	eventfd_t value;

	ring_turn(&ring, 1, 0);
	SYS(eventfd_read(4, &value));
	SAME(value, 1);
}

static void set_up(uint32_t flags)
{
	if (!ring_try(&ring, 8, flags))
		victim_skip(strerror(errno));
}

static void polled(void)
{
	set_up(IORING_SETUP_SQPOLL);
}

static void single(void)
{
	set_up(1U << 12); /* IORING_SETUP_SINGLE_ISSUER */
}

static void disabled(void)
{
	set_up(IORING_SETUP_R_DISABLED);
}

/* A file that no descriptor is of any more. */
static void hidden(void)
{
	int fd;

	ring_make(&ring, 8, 0);
	fd = SYS(open("/proc/self/comm", O_RDONLY));
	SYS(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &fd, 1));
	SYS(close(fd));
}

/* Under a number of the thread's own, as liburing does. */
static void registered(void)
{
	struct io_uring_rsrc_update one = { .offset = -1U };

	ring_make(&ring, 8, 0);
	one.data = ring.fd;
	SAME(SYS(syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_RING_FDS, &one, 1)), 1);
}

static char buffers[4][4096] __attribute__((aligned(4096)));

/* The last number that there may be. */
static void provided(void)
{
	struct io_uring_sqe *sqe;

	ring_make(&ring, 8, 0);
	sqe = ring_add(&ring, IORING_OP_PROVIDE_BUFFERS, 7);
	sqe->addr = (uintptr_t)buffers;
	sqe->len = sizeof(buffers[0]);
	sqe->fd = sizeof(buffers) / sizeof(buffers[0]);
	sqe->buf_group = 65535;
	ring_submit(&ring, 1, 1);
	ring_take(&ring, 7, 0);
}

static void provided_check(void)
{
	struct io_uring_sqe *sqe = ring_add(&ring, IORING_OP_REMOVE_BUFFERS, 8);

	sqe->fd = sizeof(buffers) / sizeof(buffers[0]);
	sqe->buf_group = 65535;
	ring_submit(&ring, 1, 1);
	ring_take(&ring, 8, sizeof(buffers) / sizeof(buffers[0]));
}

/* In memory that both see: struct io_uring_buf_reg. */
static void shared(void)
{
	struct {
		uint64_t address;
		uint32_t entries;
		uint16_t group, flags;
		uint64_t unused[3];
	} how = { .address = (uintptr_t)buffers, .entries = 8, .group = 777 };

	ring_make(&ring, 8, 0);
	if (syscall(SYS_io_uring_register, ring.fd, 22 /* IORING_REGISTER_PBUF_RING */, &how, 1) <
	    0)
		victim_skip(strerror(errno));
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*make)(void), (*check)(void);
} all[] = {
	{ "poll", poll_for_ever, poll_check }, { "timeout", timeout, nothing },
	{ "event", event, event_check },       { "polled", polled, nothing },
	{ "single", single, nothing },	       { "disabled", disabled, nothing },
	{ "hidden", hidden, nothing },	       { "registered", registered, nothing },
	{ "shared", shared, nothing },	       { "provided", provided, provided_check },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && argc > 1; i++) {
		if (strcmp(all[i].name, argv[1]) != 0)
			continue;
		all[i].make();
		victim_ready();
		all[i].check();
	}
	victim_ok();
}
