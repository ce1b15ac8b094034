/* Bringing pages: those that somebody waits for, and all others; see server.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lazy/server.h"
#include "lazy/threads.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/proc.h"
#include "lib/uffd.h"
#include "lib/zero.h"

enum {
	WINDOW = 32 << 10, /* bytes around a fault: what one checksum of an image is about */
	HASTE_US = 10000,  /* so long behind a fault the next one is expected */
	HASTE_PAGES = 8,   /* the background takes no more at once then */
	RETRY_US = 500000, /* what could not be had is asked for again */
	NO_MEMORY_US = 10000,
	TRIES = 5,
	TRY_US = 1000,
};

/* Pages of one row, from the first on, that are all zero or all not. */
static uint64_t alike(const char *data, uint64_t pages, bool zero)
{
	uint64_t n = 1;

	while (n < pages && page_is_zero(data + n * PAGE_SIZE) == zero)
		n++;
	return n;
}

/* What becomes of pages that the kernel did not take: how many are done with, or -errno. */
static int64_t refused(const struct lazy_space *sp, uint64_t at, uint64_t pages, int64_t why)
{
	/* Two mappings by now, of which a page is in one. */
	if (why == -ENOENT && pages > 1)
		return 0;
	/* It is there already, or it is nowhere. */
	if (why == -EEXIST || why == -ENOENT) {
		uffd_wake(sp->uffd, at, at + PAGE_SIZE);
		return 1;
	}
	return why;
}

/* Zeros are what is there when nothing is brought, but whoever waits has to go on. */
static int64_t put_zeros(const struct lazy_space *sp, uint64_t at, uint64_t pages, uint64_t waits)
{
	int64_t r;

	if (waits < at || waits >= at + pages * PAGE_SIZE)
		return pages;
	r = uffd_put(sp->uffd, waits, NULL, PAGE_SIZE);
	if (r < 0)
		r = refused(sp, waits, 1, r);
	return r < 0 ? r : (int64_t)pages;
}

static int64_t put_data(const struct lazy_space *sp, uint64_t at, const char *data, uint64_t pages)
{
	int64_t r = uffd_put(sp->uffd, at, data, pages * PAGE_SIZE);

	if (r > 0)
		return r / PAGE_SIZE;
	r = refused(sp, at, pages, r);
	return r == 0 ? put_data(sp, at, data, 1) : r;
}

/* Puts the row into place as far as it goes. waits: the page of a fault, 0: none. */
static int put_row(struct lazy_space *sp, const struct lazy_row *row, const char *data,
		   uint64_t waits)
{
	uint64_t done = 0;
	int64_t r = 0;

	while (done < row->pages) {
		const char *from = data + done * PAGE_SIZE;
		bool zero = page_is_zero(from);
		uint64_t n = alike(from, row->pages - done, zero), at = row->at + done * PAGE_SIZE;

		r = zero ? put_zeros(sp, at, n, waits) : put_data(sp, at, from, n);
		if (r < 0)
			break;
		done += r;
	}
	lazy_space_done(sp, row->first, done);
	return r < 0 ? (int)r : 0;
}

/* The kernel did not take it now. False: never. */
static bool later(struct lazy_server *s, struct lazy_space *sp, int why, uint64_t waits)
{
	struct err e = { 0 };

	if (why == -ESRCH) {
		log_debug("lazy: space %u (pid %d) is gone", sp->id, sp->pid);
		if (events_close(s, sp->id, &e) < 0)
			lazy_say(s, &e);
		return false;
	}
	/* EAGAIN: something happens to the mappings, which we are about to be told. */
	if (why != -EAGAIN) {
		err_res(&e, why, "put pages of pid %d into place", sp->pid);
		lazy_say(s, &e);
		usleep(NO_MEMORY_US);
	}
	if (waits)
		uffd_wake(sp->uffd, waits, waits + PAGE_SIZE);
	return true;
}

static int read_row(struct lazy_server *s, const struct lazy_space *sp, struct lazy_row *row,
		    struct err *e)
{
	struct page_want w = { sp->pid, row->vaddr, row->pages };
	int r;

	w.pages = w.pages < SOURCE_PAGES ? w.pages : SOURCE_PAGES;
	r = s->source->read(s->source, &w, s->buffer, &row->pages, e);
	if (r < 0 && !e->code)
		err_code(e, ENODATA, "no source has it");
	return r < 0 ? e->code : 0;
}

/* The process that a thread belongs to; the thread's own number if nobody knows. */
static int process_of(int tid)
{
	struct err ignored = { 0 };
	own_fd proc = -1;
	uint64_t tgid;

	if (proc_open(tid, &proc, &ignored) < 0 ||
	    proc_status_number(proc, "Tgid", 10, &tgid, &ignored) < 0)
		return tid;
	return tgid;
}

static bool change(struct lazy_shared *shared, int was, int is)
{
	for (int i = 0; i < LAZY_STOPPED; i++)
		if (shared->stopped[i] == was) {
			shared->stopped[i] = is;
			return true;
		}
	return false;
}

/* Whether the thread waits inside of a system call. */
static bool is_in_call(int tid)
{
	char text[32] = "";
	struct err ignored = { 0 };
	own_fd proc = -1, fd = -1;

	if (proc_open(tid, &proc, &ignored) < 0)
		return false;
	for (int tries = 0; tries < TRIES; tries++) {
		own_close(&fd);
		fd = openat(proc, "syscall", O_RDONLY | O_CLOEXEC);
		/* "running": it does not wait yet. */
		if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || text[0] != 'r')
			break;
		usleep(TRY_US);
	}
	return text[0] >= '0' && text[0] <= '9';
}

/*
 * The other threads of its process must not go on without the page. But inside of a system call a thread that has a signal to
 * take looks for the page without rest, and neither stops nor sleeps: such a one waits, and the others go on until they
 * need it as well.
 */
static void stop(struct lazy_server *s, const struct lazy_stuck *who, struct err *why)
{
	int pid = process_of(who->tid);
	bool known = pid && change(s->shared, pid, pid), in_call = is_in_call(who->tid);

	if (!pid) {
		err_on(why, "a thread waits until what it has at %lx can be had", who->at);
		lazy_say(s, why);
		return;
	}
	if (!s->shared->goes) {
		err_on(why, "pid %d is ended, since what it has at %lx cannot be had", pid,
		       who->at);
		lazy_say(s, why);
		kill(pid, SIGKILL);
		return;
	}
	if (in_call && known)
		kill(pid, SIGCONT);
	else if (!in_call && (known || change(s->shared, 0, pid)))
		kill(pid, SIGSTOP);
	err_on(why, "pid %d %s until what it has at %lx can be had", pid,
	       in_call ? "waits" : "is stopped", who->at);
	lazy_say(s, why);
}

static void add_stuck(struct lazy_server *s, struct lazy_stuck who, struct err *why)
{
	size_t n = 0;

	while (n < s->stuck_count &&
	       (s->stuck[n].space != who.space || !who.tid || s->stuck[n].tid != who.tid))
		n++;
	/* Too many: each of them comes again when its wait is over. */
	if (n == LAZY_STOPPED)
		return;
	s->stuck[n] = who;
	s->stuck_count += n == s->stuck_count;
	s->retry_at = io_now_us() + RETRY_US;
	stop(s, &who, why);
}

/* 0: the page is there, or somebody is going to fault again. */
static int bring(struct lazy_server *s, unsigned int space, uint64_t at, struct err *e)
{
	struct lazy_space *sp = &s->spaces[space];
	uint64_t low = at & ~(uint64_t)(WINDOW - 1);
	struct lazy_row row;
	int r;

	if (!lazy_space_find(sp, at, low, low + WINDOW, &row)) {
		r = put_zeros(sp, at, 1, at);
	} else {
		/* What lies before the page in its row may be of another file. */
		r = read_row(s, sp, &row, e);
		if (r == 0 && row.at + row.pages * PAGE_SIZE <= at) {
			lazy_space_find(sp, at, at, low + WINDOW, &row);
			r = read_row(s, sp, &row, e);
		}
		if (r < 0)
			return r;
		r = put_row(sp, &row, s->buffer, at);
	}
	if (r < 0)
		later(s, sp, r, at);
	return 0;
}

void fill_fault(struct lazy_server *s, unsigned int space, uint64_t address, int tid)
{
	struct lazy_stuck who = { space, address & ~(PAGE_SIZE - 1), tid };
	bool tied = s->spaces[space].tied;
	struct err e = { 0 };

	s->fault_at = io_now_us();
	if (!tied && s->pid_ns)
		who.tid = thread_here(s->pid_ns, tid);
	if (!tied && who.tid)
		tether_try(&s->tether, process_of(who.tid));
	s->spaces[space].tied = true;
	if (bring(s, space, who.at, &e) == 0)
		return;
	if (tied && s->pid_ns)
		who.tid = thread_here(s->pid_ns, tid);
	add_stuck(s, who, &e);
}

void fill_retry(struct lazy_server *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->stuck_count; i++) {
		struct lazy_stuck who = s->stuck[i];
		struct err e = { 0 };
		int pid = process_of(who.tid);

		if (s->spaces[who.space].uffd >= 0 && (!who.tid || kill(who.tid, 0) == 0) &&
		    bring(s, who.space, who.at, &e) < 0) {
			s->stuck[kept++] = who;
			continue;
		}
		if (pid && change(s->shared, pid, 0) && kill(pid, SIGCONT) == 0)
			log_info("pid %d: what it has at %lx is there, and it goes on", pid,
				 who.at);
		s->said[0] = 0;
	}
	s->stuck_count = kept;
	s->retry_at = io_now_us() + RETRY_US;
}

static bool is_resting(const struct lazy_space *sp, uint64_t now)
{
	return sp->uffd < 0 || !sp->left || sp->rests_until > now;
}

bool fill_has_work(const struct lazy_server *s)
{
	uint64_t now = io_now_us();

	for (size_t i = 0; i < s->count; i++)
		if (!is_resting(&s->spaces[i], now))
			return true;
	return false;
}

/* What is passed over comes in the next round, which waits a while. */
static void pass_over(struct lazy_server *s, struct lazy_space *sp, const struct lazy_row *row,
		      struct err *e)
{
	if (!sp->sour && !sp->rests_until) {
		err_on(e, "what pid %d has at %lx cannot be had yet", sp->pid, row->at);
		lazy_say(s, e);
	}
	sp->sour = true;
	if (e->code == -EAGAIN)
		sp->rests_until = io_now_us() + RETRY_US;
	else
		sp->next = row->at + PAGE_SIZE;
}

static void fill_space(struct lazy_server *s, struct lazy_space *sp)
{
	uint64_t now = io_now_us();
	uint64_t most = now - s->fault_at < HASTE_US ? HASTE_PAGES : SOURCE_PAGES;
	struct lazy_row row;
	struct err e = { 0 };
	int r;

	if (!lazy_space_next(sp, sp->next, most, &row)) {
		if (!uffd_lives(sp->uffd))
			later(s, sp, -ESRCH, 0);
		sp->rests_until = sp->sour ? now + RETRY_US : 0;
		sp->sour = false;
		sp->next = 0;
		return;
	}
	if (read_row(s, sp, &row, &e) < 0) {
		pass_over(s, sp, &row, &e);
		return;
	}
	r = put_row(sp, &row, s->buffer, 0);
	if (r < 0)
		later(s, sp, r, 0);
	else
		sp->next = row.at + row.pages * PAGE_SIZE;
}

bool fill_some(struct lazy_server *s)
{
	uint64_t now = io_now_us();

	for (size_t i = 0; i < s->count; i++) {
		struct lazy_space *sp = &s->spaces[i];

		if (is_resting(sp, now))
			continue;
		fill_space(s, sp);
		return true;
	}
	return false;
}
