/*
 * A process whose moment is saved while it disturbs: it is started, its memory is protected, it is stopped for the moment,
 * runs on, and what was saved is compared with what it had. The engine of --freeze=cow, without the rest of a dump.
 */
#ifndef STASIS_TEST_COW_H
#define STASIS_TEST_COW_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "dump/cow_follow.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/pagemap.h"
#include "lib/proc.h"
#include "lib/ptrace.h"
#include "lib/uffd.h"
#include "test/lib/unit.h"

enum { SIZE = 64 << 20, MAX_THREADS = 16 };

/* What both sides see. */
struct control {
	_Atomic int ready, armed, moment;
	int uffd;
	_Atomic int threads;
	struct {
		int tid;
		uint64_t address;
	} thread[MAX_THREADS];
};

struct scene {
	struct control *control;
	char *memory; /* SIZE bytes, no two pages alike */
	int pid, pidfd, proc_fd, pages_fd;
	struct cow_space space;
	struct cow_space *spaces[1];
	struct cow_follow *follow;
	struct cow_work *work;
	struct page_run *runs;
	size_t run_count;
	uint64_t bytes, there; /* of all pages; found twice */
	char *expected;	       /* as the pages file has to be */
	_Atomic bool protected;
	uint64_t until;
	int tids[MAX_THREADS];
	size_t tid_count;
	bool lingers; /* it runs for a while when it is protected, before the moment */
	bool late;    /* nothing is protected before the moment */
	void (*first)(struct scene *s); /* what is done before anybody else saves; NULL: nothing */
};

static inline void fill(char *at, size_t size)
{
	uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < size; i += 64) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		*(uint64_t *)(at + i) = x;
	}
}

/* Is as fill() has left it. */
static inline bool is_filled(const char *at, size_t size)
{
	uint64_t x = 88172645463325252ULL;

	for (size_t i = 0; i < size; i += 64) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		if (*(uint64_t *)(at + i) != x)
			return false;
	}
	return true;
}

/* Each thread of the victim says where the kernel will write when it ends. */
static inline void introduce(struct control *c)
{
	int i = c->threads++;
	uint64_t address = 0;

	prctl(PR_GET_TID_ADDRESS, &address);
	c->thread[i].tid = syscall(SYS_gettid);
	c->thread[i].address = address;
}

static inline void await_moment(struct control *c)
{
	while (!c->moment)
		;
}

static inline void start(struct scene *s, void (*victim)(struct scene *s))
{
	s->control = mmap(NULL, sizeof(*s->control), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->pid = fork();
	if (s->pid == 0) {
		s->memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		fill(s->memory, SIZE);
		introduce(s->control);
		s->control->uffd = syscall(SYS_userfaultfd, uffd_flags(UFFD_WRITES_WAIT));
		victim(s);
		_exit(0);
	}
	assert(s->pid > 0);
	while (!s->control->ready)
		assert(waitpid(s->pid, NULL, WNOHANG) == 0);
	if (s->control->uffd < 0)
		unit_skip("no userfaultfd");
}

/* The victim is ready; what it does next happens after the moment. */
static inline void ready(struct scene *s)
{
	s->control->ready = 1;
	await_moment(s->control);
}

static inline void must(int r, const struct err *e)
{
	char text[512];

	if (r < 0) {
		fprintf(stderr, "# %s\n", err_text(e, text, sizeof(text)));
		abort();
	}
}

static inline bool is_known(const struct scene *s, int tid)
{
	for (size_t i = 0; i < s->tid_count; i++)
		if (s->tids[i] == tid)
			return true;
	return false;
}

/* Until it stands still; false: it has ended. */
static inline bool settle(struct scene *s, int tid)
{
	struct err e = { 0 };
	struct stop stop;

	for (;;) {
		must(tracee_await(tid, &stop, &e), &e);
		if (stop.kind == STOP_INTERRUPT)
			return true;
		if (stop.kind == STOP_EXITED || stop.kind == STOP_KILLED)
			return false;
		if (stop.kind == STOP_EVENT)
			if (!cow_follow_event(s->follow, tid, stop.value))
				cow_space_calm(&s->space);
		must(tracee_pass(tid, stop, &e), &e);
	}
}

static inline void stop_one(struct scene *s, int tid)
{
	struct err e = { 0 };

	if (tracee_seize(tid, cow_follow_options, &e) < 0 && e.code != -EPERM)
		return; /* gone */
	if (tracee_interrupt(tid, &e) < 0 || !settle(s, tid))
		return;
	must(cow_follow_add(s->follow, tid, s->pid, &s->space, &e), &e);
	assert(s->tid_count < ARRAY_SIZE(s->tids));
	s->tids[s->tid_count++] = tid;
}

static inline void stop_all(struct scene *s)
{
	struct err e = { 0 };
	size_t before;

	s->tid_count = 0;
	do {
		own_pids tids = { 0 };

		before = s->tid_count;
		must(proc_threads(s->proc_fd, &tids, &e), &e);
		for (size_t i = 0; i < tids.count; i++)
			if (!is_known(s, tids.pid[i]))
				stop_one(s, tids.pid[i]);
	} while (s->tid_count != before);
}

static inline void go_all(struct scene *s)
{
	struct err e = { 0 };

	for (size_t i = 0; i < s->tid_count; i++)
		must(cow_follow_go(s->follow, s->tids[i], false, &e), &e);
}

/* Private anonymous memory that can be written. f is told of each mapping. */
static inline void each_mapping(struct scene *s, void (*f)(struct scene *, uint64_t, uint64_t))
{
	unsigned long start, end, inode;
	char line[512], flags[8], path[32], name[256];

	snprintf(path, sizeof(path), "/proc/%d/maps", s->pid);
	own_file file = fopen(path, "re");
	assert(file);
	while (fgets(line, sizeof(line), file)) {
		name[0] = 0;
		assert(sscanf(line, "%lx-%lx %7s %*x %*s %lu %255s", &start, &end, flags, &inode,
			      name) >= 4);
		if (inode == 0 && flags[1] == 'w' && flags[3] == 'p')
			f(s, start, end);
		if (strcmp(name, "[heap]") == 0) {
			s->space.heap = start;
			s->space.heap_end = end;
		}
	}
}

static inline void add_area(struct scene *s, uint64_t start, uint64_t end)
{
	struct err e = { 0 };

	must(cow_space_add(&s->space, start, end, &e), &e);
}

static inline void find_runs(struct scene *s)
{
	struct err e = { 0 };
	own_ranges pages = { 0 };

	must(cow_space_pages(&s->space, &pages, &e), &e);
	for (size_t i = 0; i < pages.count; i++) {
		const struct range *r = &pages.all[i];

		must(io_grow(&s->runs, s->run_count, sizeof(*s->runs), &e), &e);
		s->runs[s->run_count++] = (struct page_run){ .vaddr = r->start,
							     .bytes = r->end - r->start,
							     .offset = s->bytes };
		s->bytes += r->end - r->start;
	}
}

/* The short way must find what the long way finds. */
static inline void check_runs(struct scene *s, uint64_t start, uint64_t end)
{
	struct err e = { 0 };
	own_pagemap pm = {};
	struct page_range r;

	must(pagemap_open(s->proc_fd, &pm, &e), &e);
	pagemap_range(&pm, start, end, PAGEMAP_PRIVATE);
	while (pagemap_next(&pm, &r, &e) > 0)
		s->there += r.end - r.start;
}

static inline void *protect_early(void *arg)
{
	struct scene *s = arg;
	struct err e = { 0 };

	must(cow_space_protect(&s->space, &e), &e);
	s->protected = true;
	return NULL;
}

static inline bool is_protected(void *arg)
{
	return ((struct scene *)arg)->protected;
}

static inline bool has_lingered(void *arg)
{
	return io_now_us() > ((struct scene *)arg)->until;
}

static inline void linger(struct scene *s)
{
	struct err e = { 0 };

	s->control->armed = 1;
	s->until = io_now_us() + 200000;
	must(cow_follow_early(s->follow, has_lingered, s, &e), &e);
}

static inline void arm(struct scene *s)
{
	struct err e = { 0 };
	int uffd;

	must(proc_open(s->pid, &s->proc_fd, &e), &e);
	s->pidfd = syscall(SYS_pidfd_open, s->pid, 0);
	uffd = syscall(SYS_pidfd_getfd, s->pidfd, s->control->uffd, 0);
	assert(uffd >= 0);
	must(uffd_begin(uffd, UFFD_WRITES_WAIT, &e), &e);
	must(cow_space_open(&s->space, s->pid, s->proc_fd, uffd, &e), &e);
	s->pages_fd = s->space.pages_fd = memfd_create("pages", MFD_CLOEXEC);
	must(cow_follow_begin(&s->follow, &e), &e);
	stop_all(s);
	each_mapping(s, add_area);
	s->spaces[0] = &s->space;
	must(cow_work_start(s->spaces, 1, &s->work, &e), &e);
	go_all(s);
	if (s->late)
		return;
	pthread_t thread;
	assert(pthread_create(&thread, NULL, protect_early, s) == 0);
	must(cow_follow_early(s->follow, is_protected, s, &e), &e);
	pthread_join(thread, NULL);
	if (s->lingers)
		linger(s);
}

static inline void take(struct scene *s)
{
	own_fd mem = -1;
	char path[32];
	struct err e = { 0 };

	stop_all(s);
	cow_work_settle(s->work);
	cow_follow_forget(s->follow);
	for (size_t i = 0; i < s->tid_count; i++)
		must(cow_follow_add(s->follow, s->tids[i], s->pid, &s->space, &e), &e);
	for (int i = 0; i < s->control->threads; i++)
		cow_follow_set_tid_address(s->follow, s->control->thread[i].tid,
					   s->control->thread[i].address);
	cow_space_forget_areas(&s->space);
	each_mapping(s, add_area);
	find_runs(s);
	each_mapping(s, check_runs);
	assert(s->there == s->bytes);
	s->expected = malloc(s->bytes);
	snprintf(path, sizeof(path), "/proc/%d/mem", s->pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < s->run_count; i++)
		must(io_pread(mem, s->expected + s->runs[i].offset, s->runs[i].bytes,
			      s->runs[i].vaddr, &e),
		     &e);
	must(cow_space_take(&s->space, s->runs, s->run_count, &e), &e);
	cow_follow_moment(s->follow, s->work);
	s->control->moment = 1;
	go_all(s);
	if (s->first)
		s->first(s);
	must(cow_work_save(s->work, &e), &e);
}

static inline int alive(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	return 0;
}

static inline void compare(struct scene *s)
{
	char *saved = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, s->pages_fd, 0);
	struct stat st;

	assert(saved != MAP_FAILED && fstat(s->pages_fd, &st) == 0);
	assert((uint64_t)st.st_size == s->bytes);
	for (size_t i = 0; i < s->run_count; i++)
		for (uint64_t k = 0; k < s->runs[i].bytes; k += PAGE_SIZE)
			if (memcmp(saved + s->runs[i].offset + k,
				   s->expected + s->runs[i].offset + k, PAGE_SIZE)) {
				fprintf(stderr, "# page 0x%lx differs\n", s->runs[i].vaddr + k);
				abort();
			}
}

static inline void save(struct scene *s)
{
	struct err e = { 0 };

	must(cow_follow_save(s->follow, alive, NULL, &e), &e);
	must(cow_work_finish(s->work, &e), &e);
	cow_work_free(s->work);
	cow_space_close(&s->space);
	cow_follow_free(s->follow);
}

static inline int status_of(int pid)
{
	int status;

	assert(waitpid(pid, &status, 0) == pid);
	return status;
}

/* Who saves is not the parent of the victim, or would take the report of its end. Returns the wait status of the victim. */
static inline int play(struct scene *s, void (*victim)(struct scene *s))
{
	int saver, status;

	start(s, victim);
	saver = fork();
	if (saver == 0) {
		arm(s);
		take(s);
		save(s);
		compare(s);
		_exit(0);
	}
	status = status_of(saver);
	if (status)
		kill(s->pid, SIGKILL);
	assert(status == 0);
	return status_of(s->pid);
}

#endif
