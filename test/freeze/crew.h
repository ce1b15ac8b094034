/*
 * Who works in the processes of the test, and what they have in common: three kinds of shared memory, whose pages are written
 * by all of them, and one counter in each of these that every step takes a ticket from. Workers count for
 * themselves, in memory of their own; when all of them wait, the counts must add up. A process that is older or
 * newer than the shared memory, or than another process, has taken tickets that nobody gave.
 */
#ifndef STASIS_TEST_CREW_H
#define STASIS_TEST_CREW_H

#include <sched.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "test/freeze/page.h"

enum { PROCESSES = 2, PRIVATE_WRITERS = 2, WORKERS = PRIVATE_WRITERS + 2 };
enum { ANONYMOUS, MEMFD, SYSV, KINDS };
/* The first page of each kind has the counter; the last quarter of the memfd comes and goes. */
enum { FIRST_PAGE = 1 };
enum pace { IDLE, PACED, FULL };

struct worker;

/* What disturbs: one operation, with a number that differs each time. */
struct disturbance {
	const char *name;
	void (*make)(struct worker *w, uint64_t dice);
	const char *(*lacks)(void); /* why it cannot be had here; NULL: it can */
	bool alone;		    /* not a part of "all" */
};

struct worker {
	const char *name;
	int process;
	uint64_t steps;
	uint64_t tickets[KINDS];
	uint32_t round;
	struct region own;
	/* Of a writer of shared memory: how often it wrote each page. */
	uint32_t *written[KINDS];
	const struct disturbance *disturbance; /* the last one */
};

/* In memory of its own, apart from that which it describes. */
struct shared_page {
	_Atomic uint32_t locked;
	uint32_t reported;
	uint64_t version, want;
};

struct kind {
	const char *name;
	struct page *at;
	_Atomic uint64_t *tickets;
	struct shared_page *page;
};

struct control {
	_Atomic uint32_t asked, waiting, released;
	_Atomic bool over;
	_Atomic uint64_t reported[KINDS];
	/* Pages that went through a pipe or a socket from one process to the other. */
	_Atomic uint64_t sent, received;
};
static struct control *control;

static struct kind kinds[KINDS] = { { .name = "shared anonymous memory" },
				    { .name = "memfd" },
				    { .name = "System V memory" } };
static uint32_t shared_pages;
static int shared_memfd;
static enum pace pace;
static int process; /* which one this is */

static void kinds_make(uint32_t pages)
{
	int id = SYS(shmget(IPC_PRIVATE, pages * PAGE, IPC_CREAT | 0600));

	shared_pages = pages;
	shared_memfd = SYS(memfd_create("moment", MFD_CLOEXEC));
	SYS(ftruncate(shared_memfd, pages * PAGE));
	kinds[ANONYMOUS].at = victim_shared(pages * PAGE);
	kinds[MEMFD].at = SYS(mmap(NULL, pages * PAGE, WRITABLE, MAP_SHARED, shared_memfd, 0));
	kinds[SYSV].at = SYS(shmat(id, NULL, 0));
	SYS(shmctl(id, IPC_RMID, NULL));
	control = victim_shared(sizeof(*control));
	for (int i = 0; i < KINDS; i++) {
		kinds[i].tickets = (_Atomic uint64_t *)kinds[i].at;
		kinds[i].page = victim_shared(pages * sizeof(struct shared_page));
	}
}

static bool shared_lock(struct kind *k, uint32_t page)
{
	uint32_t none = 0;

	return __atomic_compare_exchange_n((uint32_t *)&k->page[page].locked, &none, 1, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void shared_unlock(struct kind *k, uint32_t page)
{
	__atomic_store_n((uint32_t *)&k->page[page].locked, 0, __ATOMIC_RELEASE);
}

static uint64_t shared_number(const struct kind *k, uint32_t page)
{
	return (uint64_t)(0x100 + (k - kinds)) << 32 | page;
}

static void shared_check_page(const struct kind *k, uint32_t page)
{
	page_check(&k->at[page], shared_number(k, page), k->page[page].want, k->name);
}

/* A page that somebody else works on is left to that one. */
static bool shared_write(struct worker *w, int number, uint32_t page)
{
	struct kind *k = &kinds[number];
	struct shared_page *p = &k->page[page];
	uint64_t stamp;

	if (!shared_lock(k, page))
		return false;
	shared_check_page(k, page);
	stamp = (p->version + 1) << 4 | w->process;
	page_write(&k->at[page], shared_number(k, page), stamp);
	p->version++;
	p->want = stamp;
	w->written[number][page]++;
	shared_unlock(k, page);
	return true;
}

/* [from, from + count), or nothing. They are as they should be. */
static bool shared_lock_range(struct kind *k, uint32_t from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (shared_lock(k, from + i))
			continue;
		while (i-- > 0)
			shared_unlock(k, from + i);
		return false;
	}
	for (uint32_t i = 0; i < count; i++)
		shared_check_page(k, from + i);
	return true;
}

/* The pages are locked and were made zeros. */
static void shared_zeroed(struct kind *k, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++) {
		k->page[i].want = 0;
		shared_check_page(k, i);
		shared_unlock(k, i);
	}
}

static void take_ticket(struct worker *w)
{
	int number = w->steps % KINDS;

	w->tickets[number]++;
	*kinds[number].tickets += 1;
	w->steps++;
}

/* What this worker counted, for who adds it up. */
static void report(struct worker *w)
{
	for (int i = 0; i < KINDS; i++) {
		control->reported[i] += w->tickets[i];
		for (uint32_t p = 0; w->written[i] && p < shared_pages; p++)
			__atomic_add_fetch(&kinds[i].page[p].reported, w->written[i][p],
					   __ATOMIC_RELAXED);
	}
}

/* Between two steps. True: go on; false: it is over. check: of all that is this worker's. */
static bool carry_on(struct worker *w, void (*check)(struct worker *))
{
	while (control->asked == w->round) {
		if (pace == FULL || w->disturbance)
			return true;
		if (pace == PACED && w->steps % 4 != 0)
			return true;
		victim_sleep_ms(1);
		if (pace == PACED)
			return true;
	}
	check(w);
	report(w);
	w->round++;
	control->waiting += 1;
	while (control->released != w->round)
		victim_sleep_ms(1);
	return !control->over;
}

/* Everybody waits: the shared memory, and all that was counted. */
static void crew_add_up(void)
{
	for (int i = 0; i < KINDS; i++) {
		struct kind *k = &kinds[i];

		CHECK(*k->tickets == control->reported[i],
		      "%lld tickets of '%s' were given, %lld taken", (long long)*k->tickets,
		      k->name, (long long)control->reported[i]);
		control->reported[i] = 0;
		for (uint32_t p = FIRST_PAGE; p < shared_pages; p++) {
			shared_check_page(k, p);
			CHECK(!k->page[p].locked, "page %u of '%s'", p, k->name);
			CHECK(k->page[p].version == k->page[p].reported,
			      "page %u of '%s' was written %lld times, its writers count %u", p,
			      k->name, (long long)k->page[p].version, k->page[p].reported);
			k->page[p].reported = 0;
		}
	}
}

/* A process of ours that has found something has said so, and nobody else needs to speak. */
static void end_if_ended(pid_t child)
{
	siginfo_t info = { 0 };

	SYS(waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT));
	if (info.si_pid == 0)
		return;
	CHECK(info.si_code == CLD_EXITED && info.si_status == 1, "child %d: code %d, status %d",
	      child, info.si_code, info.si_status);
	_exit(1);
}

/* All stop between two steps, everything is looked at, and all go on, or not. */
static void crew_inspect(const pid_t *children, bool over)
{
	control->asked += 1;
	while (control->waiting < PROCESSES * WORKERS) {
		victim_sleep_ms(1);
		for (int i = 1; i < PROCESSES; i++)
			end_if_ended(children[i]);
	}
	crew_add_up();
	CHECK(control->sent >= control->received);
	control->waiting = 0;
	control->over = over;
	control->released += 1;
}

#endif
