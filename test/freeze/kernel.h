/*
 * Memory that the kernel writes: from pipes, sockets, another process, as frames of signals, and straight from a disk
 * (O_DIRECT), where the write itself raises no fault. A fault of the kernel's must never become an EFAULT.
 */
#ifndef STASIS_TEST_KERNEL_H
#define STASIS_TEST_KERNEL_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "test/freeze/private.h"

enum { FILE_BLOCKS = 1024, DIRECT_PAGES = 512, INBOX_PAGES = 128 };
enum { DIRECT_ID = 0x400, INBOX_ID, BOX_ID };

static struct region direct, inbox;
static int direct_fd = -1;
static const char *direct_reason = "there is no directory for it";
/* Pages go from the last process to the first one. */
static int pipe_ends[2] = { -1, -1 }, socket_ends[2] = { -1, -1 };

/* Private memory of the first process, at the same place in the others; its book is everybody's. */
static struct kind box = { .name = "memory that others write into" };
static pid_t box_pid;

static void direct_open(void)
{
	struct page *block = map_private(PAGE);
	const char *dir = getenv("TEST_DIR");
	char path[256];
	int fd;

	if (!dir)
		return;
	snprintf(path, sizeof(path), "%s/blocks", dir);
	fd = SYS(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	for (uint64_t i = 0; i < FILE_BLOCKS; i++) {
		page_write(block, (uint64_t)DIRECT_ID << 32 | i, i + 1);
		SAME(SYS(write(fd, block, PAGE)), PAGE);
	}
	SYS(fsync(fd));
	SYS(close(fd));
	direct_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	direct_reason = "the file system of the test directory has no O_DIRECT";
	if (direct_fd >= 0 && pread(direct_fd, block, PAGE, 0) == (ssize_t)PAGE)
		direct_reason = NULL;
	SYS(munmap(block, PAGE));
}

static const char *lacks_direct(void)
{
	return direct_reason;
}

static void do_direct(struct worker *w, uint64_t dice)
{
	struct region *r = &direct;
	uint32_t count, from, block;

	if (!r->want) {
		region_make(r, "blocks of a disk", DIRECT_ID, DIRECT_PAGES);
		if (w->process > 0) /* into shared memory, too */
			SYS(mmap(r->at, DIRECT_PAGES * PAGE, WRITABLE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		r->process = w->process;
		r->by_block = true;
	}
	count = 1 + (dice >> 8) % (DIRECT_PAGES / 2);
	from = (dice >> 20) % (DIRECT_PAGES - count + 1);
	block = (dice >> 32) % (FILE_BLOCKS - count + 1);
	region_check_part(r, from, count);
	SAME(SYS(pread(direct_fd, &r->at[from], count * PAGE, block * PAGE)), count * PAGE);
	for (uint32_t i = 0; i < count; i++) {
		region_note(r, from + i, block + i + 1);
		region_check_page(r, from + i);
	}
}

/* As many bytes as there are, up to a page. */
static ssize_t take(int fd, void *at, size_t size, bool socket)
{
	struct iovec to = { at, size };
	struct msghdr message = { .msg_iov = &to, .msg_iovlen = 1 };

	return socket ? recvmsg(fd, &message, MSG_DONTWAIT) : readv(fd, &to, 1);
}

static void receive(struct worker *w, uint64_t dice, int fd, bool socket)
{
	struct region *r = &inbox;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	uint32_t page;

	if (!r->want) {
		region_make(r, "pages from another process", INBOX_ID, INBOX_PAGES);
		r->by_block = true;
		r->process = w->process;
	}
	while (poll(&ready, 1, 0) == 1) {
		page = mixed(dice + r->head) % INBOX_PAGES;
		region_check_page(r, page);
		for (size_t got = 0; got < PAGE;)
			got += SYS(take(fd, (char *)&r->at[page] + got, PAGE - got, socket));
		region_note(r, page, control->received + 1);
		region_check_page(r, page);
		control->received += 1;
	}
}

/* A page goes whole or not at all (PIPE_BUF; a packet). */
static void transmit(int fd)
{
	static struct page out __attribute__((aligned(4096)));

	for (;;) {
		page_write(&out, (uint64_t)INBOX_ID << 32 | (uint32_t)control->sent,
			   control->sent + 1);
		if (write(fd, &out, PAGE) < 0)
			break;
		control->sent += 1;
	}
	CHECK(errno == EAGAIN, "%s", strerror(errno));
}

static void do_pipe(struct worker *w, uint64_t dice)
{
	if (w->process == 0)
		receive(w, dice, pipe_ends[0], false);
	if (w->process == PROCESSES - 1)
		transmit(pipe_ends[1]);
	write_some(&w->own, dice);
	sched_yield();
}

static void do_socket(struct worker *w, uint64_t dice)
{
	if (w->process == 0)
		receive(w, dice, socket_ends[0], true);
	if (w->process == PROCESSES - 1)
		transmit(socket_ends[1]);
	write_some(&w->own, dice);
	sched_yield();
}

/* The first one writes into its own memory, the others into that of the first one. */
static void box_copy(bool in, void *page, void *at)
{
	struct iovec here = { page, PAGE }, there = { at, PAGE };

	if (process == 0)
		memcpy(in ? at : page, in ? page : at, PAGE);
	else if (in)
		SAME(SYS(process_vm_writev(box_pid, &here, 1, &there, 1, 0)), PAGE);
	else
		SAME(SYS(process_vm_readv(box_pid, &here, 1, &there, 1, 0)), PAGE);
}

static void box_make(void)
{
	box.at = map_private(INBOX_PAGES * PAGE);
	box.page = victim_shared(INBOX_PAGES * sizeof(*box.page));
	box_pid = getpid();
}

static void do_sibling(struct worker *w, uint64_t dice)
{
	static struct page copy __attribute__((aligned(4096)));
	uint32_t page = dice % INBOX_PAGES;
	uint64_t number = (uint64_t)BOX_ID << 32 | page;
	struct shared_page *p = &box.page[page];

	if (!shared_lock(&box, page))
		return;
	box_copy(false, &copy, &box.at[page]);
	page_check(&copy, number, p->want, box.name);
	p->want = ++p->version << 4 | w->process;
	page_write(&copy, number, p->want);
	box_copy(true, &copy, &box.at[page]);
	shared_unlock(&box, page);
}

static void box_check(void)
{
	for (uint32_t i = 0; process == 0 && i < INBOX_PAGES; i++) {
		while (!shared_lock(&box, i))
			sched_yield();
		page_check(&box.at[i], (uint64_t)BOX_ID << 32 | i, box.page[i].want, box.name);
		shared_unlock(&box, i);
	}
}

static __thread volatile uint64_t frames;

/* The kernel has written a frame below this one, onto a stack that nobody else touches. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct page below;

	(void)context;
	CHECK(info->si_signo == sig && info->si_value.sival_int == (int)frames, "%d, not %d",
	      info->si_value.sival_int, (int)frames);
	page_write(&below, sig, frames + 1);
	page_check(&below, sig, ++frames, "stack of a handler");
}

/* Each turn on another page of the stack, so that the frame comes to where nothing was written for a while. */
static void do_signal(struct worker *w, uint64_t dice)
{
	static struct page *stacks;
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = 16 * PAGE };
	uint64_t was = frames;

	if (!stacks)
		stacks = map_private(MANY * PAGE + stack.ss_size);
	stack.ss_sp = &stacks[dice % MANY];
	SYS(sigaction(SIGUSR1, &sa, NULL));
	SYS(sigaltstack(&stack, NULL));
	for (int i = 0; i < FEW; i++) {
		errno = pthread_sigqueue(pthread_self(), SIGUSR1,
					 (union sigval){ .sival_int = (int)frames });
		CHECK(errno == 0, "%s", strerror(errno));
	}
	SAME(frames, was + FEW);
	write_some(&w->own, dice);
}

#endif
