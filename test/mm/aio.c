/*
 * AIO contexts: results that wait in the ring, a ring that has turned ("turned"), and a second context; afterwards
 * they take requests as before. With "busy", a thread that always has requests under way.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/mm/smaps.h"

#define WAITING 5

static aio_context_t ctx, other;
static int null, file;
static char data[4096];

static int submit_one(aio_context_t to, int fd, uint64_t tag, size_t size)
{
	struct iocb request = { .aio_data = tag,
				.aio_lio_opcode = IOCB_CMD_PWRITE,
				.aio_fildes = fd,
				.aio_buf = (uintptr_t)data,
				.aio_nbytes = size };
	struct iocb *list[1] = { &request };

	return syscall(SYS_io_submit, to, 1, list);
}

static long get(aio_context_t from, long min, long max, struct io_event *events)
{
	struct timespec none = { 0, 0 };

	return syscall(SYS_io_getevents, from, min, max, events, min ? NULL : &none);
}

static uint32_t ring_size(aio_context_t of)
{
	return ((uint32_t *)of)[1];
}

static void pass(aio_context_t through, int count)
{
	struct io_event event;

	for (int i = 0; i < count; i++) {
		SAME(submit_one(through, null, 0, 0), 1);
		SAME(get(through, 1, 1, &event), 1);
	}
}

/* Until there is no room, and all out again. */
static int fill_up(aio_context_t to)
{
	struct io_event event;
	int count = 0;

	while (submit_one(to, null, count, 0) == 1)
		count++;
	CHECK(errno == EAGAIN, "%s", strerror(errno));
	for (int i = 0; i < count; i++) {
		SAME(get(to, 0, 1, &event), 1);
		SAME(event.data, i);
	}
	SAME(get(to, 0, 1, &event), 0);
	return count;
}

static int room_of_fresh(void)
{
	aio_context_t fresh = 0;
	int count;

	SYS(syscall(SYS_io_setup, 100, &fresh));
	count = fill_up(fresh);
	SYS(syscall(SYS_io_destroy, fresh));
	return count;
}

/* --- "busy": requests under way all the time -------------------------------------------------- */

enum { DEPTH = 32, BLOCK = 4096 };

static volatile bool over;
static long submitted, completed;

static void *keep_busy(void *arg)
{
	char *block = aligned_alloc(BLOCK, BLOCK);
	struct io_event events[DEPTH];
	int fd = *(int *)arg;

	fill(block, BLOCK, 1);
	victim_set();
	while (!over || completed < submitted) {
		long n;

		while (!over && submitted - completed < DEPTH) {
			struct iocb request = { .aio_data = submitted,
						.aio_lio_opcode = IOCB_CMD_PWRITE,
						.aio_fildes = fd,
						.aio_buf = (uintptr_t)block,
						.aio_nbytes = BLOCK,
						.aio_offset = submitted % 256 * BLOCK };
			struct iocb *list[1] = { &request };

			SAME(syscall(SYS_io_submit, ctx, 1, list), 1);
			submitted++;
		}
		n = syscall(SYS_io_getevents, ctx, 0, DEPTH, events,
			    &(struct timespec){ 0, 1000000 });
		CHECK(n >= 0 || errno == EINTR, "%s", strerror(errno));
		for (long i = 0; i < n; i++)
			SAME(events[i].res, BLOCK);
		completed += n > 0 ? n : 0;
	}
	return arg;
}

static void busy(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/direct", getenv("TEST_DIR"));
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0)
		victim_skip("no O_DIRECT here");
	victim_thread(keep_busy, &fd);
	while (completed < 100)
		victim_sleep_ms(1);
	victim_ready();
	over = true;
	for (int i = 0; i < 2000 && completed < submitted; i++)
		victim_sleep_ms(5);
	CHECK(completed == submitted, "%ld of %ld requests completed", completed, submitted);
	victim_join();
	victim_ok();
}

int main(int argc, char **argv)
{
	bool turned = argc > 1 && strcmp(argv[1], "turned") == 0;
	struct io_event events[WAITING + 1];
	char path[256];
	int room;

	if (syscall(SYS_io_setup, 100, &ctx) < 0)
		victim_skip("this kernel has no AIO");
	if (argc > 1 && strcmp(argv[1], "busy") == 0)
		busy();
	SYS(syscall(SYS_io_setup, 1000, &other));
	null = SYS(open("/dev/null", O_WRONLY | O_CLOEXEC));
	snprintf(path, sizeof(path), "%s/file", getenv("TEST_DIR"));
	file = SYS(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	room = room_of_fresh();
	pass(ctx, turned ? (int)ring_size(ctx) - 3 : 17);
	fill(data, sizeof(data), 1);
	for (int i = 0; i < WAITING; i++)
		SAME(submit_one(ctx, file, 100 + i, 512 + i), 1);
	victim_ready();
	for (int i = 0; i < WAITING; i++) {
		SAME(get(ctx, 1, 1, &events[i]), 1);
		SAME(events[i].data, 100 + i);
		SAME(events[i].res, 512 + i);
	}
	SAME(get(ctx, 0, 1, events), 0);
	/* The kernel deals the room out to processors in portions, so some of it may be elsewhere. */
	CHECK(fill_up(ctx) > room / 2);
	pass(ctx, 500);
	SAME(submit_one(other, file, 7, 4096), 1);
	SAME(get(other, 1, 1, events), 1);
	SAME(events[0].res, 4096);
	SYS(syscall(SYS_io_destroy, ctx));
	SYS(syscall(SYS_io_destroy, other));
	victim_ok();
}
