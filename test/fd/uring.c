/*
 * Rings of io_uring: counted up, with completions that nobody has read and requests that the kernel was not told of,
 * registered files and buffers, large entries, without an array.
 */
#include "test/fd/uring.h"

#include <sys/socket.h>

enum { TURNS = 1003, UNREAD = 3, SIZE = 8192 };

static struct fds before;
static char *buffer;

/* Requests that are there when the program is saved, submitted afterwards. */
static void add_write(struct ring *r, int slot)
{
	struct io_uring_sqe *s = ring_add(r, IORING_OP_WRITE_FIXED, 777);

	s->flags = IOSQE_FIXED_FILE;
	s->fd = slot;
	s->addr = (uintptr_t)buffer;
	s->len = 5;
	s->buf_index = 1;
}

static void register_all(const struct ring *r, int end)
{
	int fds[] = { -1, 0, end };
	struct iovec buffers[] = { { NULL, 0 }, { buffer, SIZE } };

	SYS(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_FILES, fds, 3));
	SYS(syscall(SYS_io_uring_register, r->fd, IORING_REGISTER_BUFFERS, buffers, 2));
}

/* Up to 6.12 the kernel tells no more of a registered file than its name, by which it is not to be known. */
static bool tells_files(const struct ring *r)
{
	char path[64], text[4096] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r->fd);
	fd = SYS(open(path, O_RDONLY));
	SYS(read(fd, text, sizeof(text) - 1));
	SYS(close(fd));
	return strstr(text, "/dev/null");
}

/* Files that are read by the kernel's workers, which stay when they have nothing to do. */
static void use_worker(struct ring *r)
{
	static char byte[16];
	int fd = SYS(open("/proc/self/exe", O_RDONLY));
	struct io_uring_sqe *s = ring_add(r, IORING_OP_READ, 99);

	s->flags = IOSQE_ASYNC;
	s->fd = fd;
	s->addr = (uintptr_t)byte;
	s->len = sizeof(byte);
	ring_submit(r, 1, 1);
	ring_take(r, 99, sizeof(byte));
	SYS(close(fd));
}

static void works(struct ring *r)
{
	uint32_t unread = ring_waiting(r);

	for (uint32_t i = 0; i < unread; i++)
		ring_take(r, TURNS - unread + i, 0);
	ring_turn(r, 50, 0);
}

/* Since 6.8 a ring can be asked for the state of buffers that are provided to it; without that it is refused. */
static bool tells_buffers(const struct ring *r)
{
	uint32_t status[10] = { 0 };

	return syscall(SYS_io_uring_register, r->fd, 26, status, 1) == 0 || errno != EINVAL;
}

int main(void)
{
	struct ring plain, large, flat, one;
	int ends[2];
	pid_t pid;

	buffer = SYS(mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memcpy(buffer, "fixed", 5);
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	ring_make(&plain, 8, 0);
	if (!tells_buffers(&plain))
		victim_skip("this kernel does not tell what buffers a ring has");
	register_all(&plain, ends[1]);
	if (!tells_files(&plain))
		victim_skip("this kernel does not tell the paths of registered files");
	use_worker(&plain);
	ring_turn(&plain, TURNS, UNREAD);
	ring_make(&large, 4, IORING_SETUP_SQE128 | IORING_SETUP_CQE32 | IORING_SETUP_CLAMP);
	ring_turn(&large, TURNS, 8); /* full */
	ring_make(&flat, 64, 0);
	if (ring_try(&one, 64, IORING_SETUP_NO_SQARRAY)) {
		SYS(close(one.fd));
		ring_make(&flat, 64, IORING_SETUP_NO_SQARRAY);
	}
	ring_turn(&flat, TURNS, 1);
	ring_make(&one, 1, 0);
	add_write(&plain, 2);
	ring_add(&plain, IORING_OP_NOP, 778);
	pid = victim_fork();
	if (pid == 0) {
		SYS(close(plain.fd)); /* what is registered has to be of one process */
		victim_set();
		victim_wait();
		_exit(0);
	}
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SAME(ring_waiting(&plain), UNREAD);
	for (int i = 0; i < UNREAD; i++)
		ring_take(&plain, TURNS - UNREAD + i, 0);
	ring_submit(&plain, 2, 2);
	ring_take(&plain, 777, 5);
	ring_take(&plain, 778, 0);
	SAME(SYS(read(ends[0], buffer + 100, 100)), 5);
	CHECK(memcmp(buffer + 100, "fixed", 5) == 0);
	works(&plain);
	works(&large);
	works(&flat);
	works(&one);
	use_worker(&plain);
	victim_reap(pid);
	victim_ok();
}
