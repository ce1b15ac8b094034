/* Threads and processes that begin and end, copies of memory, and programs that hand over to themselves by exec(). */
#ifndef STASIS_TEST_TASKS_H
#define STASIS_TEST_TASKS_H

#include <pthread.h>
#include <sys/syscall.h>

#include "test/freeze/objects.h"

enum { SHORT_THREADS = 3, SHORT_CHILDREN = 3, LIVES = 6, LIFE_PAGES = 64, LIFE_ID = 0x300 };

static void reap_ok(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR, "waitpid(%d): %s", pid, strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		_exit(1); /* it has said what it found */
	CHECK(status == 0, "wait status of child %d is 0x%x", pid, status);
}

/* In a child: its copy is that of its birth, and its own from then on. */
_Noreturn static void live_as_copy(struct region *r, uint64_t dice)
{
	region_check(r);
	write_some(r, dice);
	linger(dice);
	write_some(r, mixed(dice));
	region_check(r);
	_exit(0);
}

/* The same, and a copy of the copy. */
_Noreturn static void live_with_child(struct region *r, uint64_t dice)
{
	pid_t pid;

	write_some(r, dice);
	pid = SYS(fork());
	if (pid == 0)
		live_as_copy(r, mixed(dice));
	write_some(r, dice + 1);
	reap_ok(pid);
	live_as_copy(r, dice + 2);
}

static void do_fork(struct worker *w, uint64_t dice)
{
	pid_t pid;

	whole_again(w);
	pid = SYS(fork());
	if (pid == 0)
		live_as_copy(&w->own, dice);
	for (int i = 0; i < FEW; i++)
		write_some(&w->own, dice + i);
	reap_ok(pid);
}

static void do_processes(struct worker *w, uint64_t dice)
{
	pid_t pid[SHORT_CHILDREN];

	whole_again(w);
	for (int i = 0; i < SHORT_CHILDREN; i++) {
		pid[i] = SYS(fork());
		if (pid[i] == 0 && i == 0)
			live_with_child(&w->own, mixed(dice));
		if (pid[i] == 0)
			live_as_copy(&w->own, mixed(dice + i));
		write_some(&w->own, dice + i);
	}
	for (int i = 0; i < SHORT_CHILDREN; i++)
		reap_ok(pid[i]);
}

/* Shared memory is written by what is gone again, with all that a page table knew of it: a child, or a second mapping. */
static void do_brief(struct worker *w, uint64_t dice)
{
	uint32_t page = FIRST_PAGE + (dice >> 8) % (shared_pages - FIRST_PAGE);
	int number = dice % KINDS;
	struct kind *k = &kinds[number];
	uint64_t stamp;

	if (!shared_lock(k, page))
		return;
	shared_check_page(k, page);
	stamp = (k->page[page].version + 1) << 4 | w->process;
	if (dice >> 63) {
		pid_t pid = SYS(fork());

		if (pid == 0) {
			page_write(&k->at[page], shared_number(k, page), stamp);
			_exit(0);
		}
		reap_ok(pid);
	} else {
		size_t size = shared_pages * PAGE;
		struct page *alias =
			number == MEMFD ?
				SYS(mmap(NULL, size, WRITABLE, MAP_SHARED, shared_memfd, 0)) :
				SYS(mremap(k->at, 0, size, MREMAP_MAYMOVE));

		page_write(&alias[page], shared_number(k, page), stamp);
		SYS(munmap(alias, size));
	}
	shared_written(w, number, page);
}

static void do_vfork(struct worker *w, uint64_t dice)
{
	pid_t pid = SYS(vfork());

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(127);
	}
	write_some(&w->own, dice);
	reap_ok(pid);
}

struct short_life {
	struct region *region;
	uint32_t page;
	uint64_t stamp;
	pthread_t thread;
};

static void *short_thread(void *arg)
{
	struct short_life *s = arg;

	page_write(&s->region->at[s->page], s->region->id << 32 | s->page, s->stamp);
	linger(s->stamp >> 4);
	return NULL;
}

/* Each writes one page of a third of its own. */
static void do_threads(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	struct short_life life[SHORT_THREADS];
	uint32_t third = r->pages / SHORT_THREADS;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 0; i < SHORT_THREADS; i++) {
		life[i] = (struct short_life){ .region = r,
					       .page = i * third + mixed(dice + i) % third,
					       .stamp = (r->head + 1 + i) << 4 | r->process };
		region_check_page(r, life[i].page);
		errno = pthread_create(&life[i].thread, &attr, short_thread, &life[i]);
		CHECK(errno == 0, "%s", strerror(errno));
	}
	pthread_attr_destroy(&attr);
	for (int i = 0; i < SHORT_THREADS; i++) {
		errno = pthread_join(life[i].thread, NULL);
		CHECK(errno == 0, "%s", strerror(errno));
	}
	for (int i = 0; i < SHORT_THREADS; i++)
		region_note(r, life[i].page, life[i].stamp);
	write_some(r, dice);
}

/* What one program leaves to the next one, in the memfd that is its standard input. */
struct legacy {
	struct page page[LIFE_PAGES];
	uint64_t want[LIFE_PAGES];
	uint64_t life, step;
};

static void *keep_busy(void *arg)
{
	struct page *scratch = arg;

	for (uint64_t i = 1;; i++) {
		page_write(scratch, 1, i);
		page_check(scratch, 1, i, "memory of a thread that exec() ends");
	}
	return NULL;
}

static void *next_life(void *arg)
{
	char *const argv[] = { "moment", "again", NULL };

	(void)arg;
	SYS(execve("/proc/self/exe", argv, environ));
	return NULL;
}

/* The program from its start: what was left to it is right; it changes that, and begins anew. */
_Noreturn static void live_again(void)
{
	struct legacy *l =
		SYS(mmap(NULL, sizeof(struct legacy), WRITABLE, MAP_SHARED, STDIN_FILENO, 0));
	pthread_t thread;
	uint32_t page;

	for (uint32_t i = 0; i < LIFE_PAGES; i++)
		page_check(&l->page[i], (uint64_t)LIFE_ID << 32 | i, l->want[i], "legacy");
	for (int i = 0; i < MANY; i++) {
		page = mixed(++l->step) % LIFE_PAGES;
		page_write(&l->page[page], (uint64_t)LIFE_ID << 32 | page, l->step);
		l->want[page] = l->step;
	}
	if (++l->life == LIVES)
		_exit(0);
	if (l->life % 2 == 0)
		next_life(NULL);
	/* It is not the first thread that does it, and another one runs meanwhile. */
	errno = pthread_create(&thread, NULL, keep_busy, map_private(PAGE));
	CHECK(errno == 0, "%s", strerror(errno));
	errno = pthread_create(&thread, NULL, next_life, NULL);
	CHECK(errno == 0, "%s", strerror(errno));
	for (;;)
		pause();
}

static void do_exec(struct worker *w, uint64_t dice)
{
	int fd = SYS(memfd_create("legacy", 0));
	struct legacy *l;
	pid_t pid;

	SYS(ftruncate(fd, sizeof(*l)));
	l = SYS(mmap(NULL, sizeof(*l), WRITABLE, MAP_SHARED, fd, 0));
	pid = SYS(fork());
	if (pid == 0) {
		SYS(dup2(fd, STDIN_FILENO));
		next_life(NULL);
	}
	SYS(close(fd));
	write_some(&w->own, dice);
	reap_ok(pid);
	SAME(l->life, LIVES);
	SAME(l->step, LIVES * MANY);
	for (uint32_t i = 0; i < LIFE_PAGES; i++)
		page_check(&l->page[i], (uint64_t)LIFE_ID << 32 | i, l->want[i], "legacy");
	SYS(munmap(l, sizeof(*l)));
}

#endif
