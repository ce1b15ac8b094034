/* The process that serves: what it waits for, and when it is done; see server.h. */
#include "lazy/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lazy/serving.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/uffd.h"

enum {
	EVENTS = 16,
	MESSAGES = 16, /* of one space before others are looked at */
	BUSY = 8,      /* rounds without any of the background */
	REST_MS = 100,
	QUIET_US = 500,	  /* so long behind a fault nothing else is done: another one is likely */
	QUIET_MS = 1,
	FILL_US = 5000,	  /* but so often something is */
	NOTE_US = 100000,
};
/* What an event of epoll is about, where it is no space. */
enum { ABOUT_GO = 1 << 30, ABOUT_SECOND };

int lazy_server_begin(struct lazy_server *s, struct err *e)
{
	s->epoll = s->self = s->second = s->mark = s->ready = s->witness = -1;
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->journal = journal_new();
	s->buffer = malloc(SOURCE_PAGES * PAGE_SIZE);
	if (s->shared == MAP_FAILED || !s->journal || !s->buffer)
		return err_sys(e, "memory for serving pages");
	return 0;
}

int lazy_server_add(struct lazy_server *s, const struct lazy_space *of, struct err *e)
{
	struct lazy_space *sp;

	if (io_grow(&s->spaces, s->count, sizeof(*sp), e) < 0)
		return e->code;
	sp = &s->spaces[s->count];
	*sp = *of;
	sp->id = s->count;
	sp->tied = true;
	if (lazy_space_begin(sp, e) < 0)
		return e->code;
	s->count++;
	return 0;
}

/* Without a log that anybody can read, a file in the work directory, once there is something to be said. */
void lazy_say(struct lazy_server *s, const struct err *e)
{
	char text[sizeof(e->text) + sizeof(e->hint) + 4];
	int fd;

	err_text(e, text, sizeof(text));
	if (strncmp(text, s->said, sizeof(s->said) - 1) == 0)
		return;
	snprintf(s->said, sizeof(s->said), "%.*s", (int)sizeof(s->said) - 1, text);
	if (log_fd() < 0) {
		fd = openat(s->work_fd, "lazy.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			log_setup(fd, log_level());
	}
	log_error("%s", text);
}

static int watch(const struct lazy_server *s, int fd, uint32_t about)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = about };

	return fd < 0 ? 0 : epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &ev);
}

int server_watch_second(struct lazy_server *s, struct err *e)
{
	return watch(s, s->second, ABOUT_SECOND) < 0 ? err_sys(e, "watch the second process") : 0;
}

/* Whoever takes over begins here as well: what was asked of the kernel before is not its own. */
static int watch_all(struct lazy_server *s, struct err *e)
{
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0 || watch(s, s->go, ABOUT_GO) < 0)
		return err_sys(e, "watch for faults");
	if (server_watch_second(s, e) < 0)
		return e->code;
	for (size_t i = 0; i < s->count; i++)
		if (s->spaces[i].uffd >= 0 && watch(s, s->spaces[i].uffd, i) < 0)
			return err_sys(e, "watch space %zu for faults", i);
	return 0;
}

/* One message of a space. False: there is none. */
static bool hear(struct lazy_server *s, unsigned int space, struct err *e)
{
	struct journal_record *r = &s->journal->records[s->used];
	size_t before = s->count;

	/* It has to be in memory that is there: the message is lost when it cannot be written. */
	memset(r, 0, sizeof(*r));
	r->space = space;
	if (read(s->spaces[space].uffd, &r->msg, sizeof(r->msg)) != sizeof(r->msg)) {
		r->msg.event = 0;
		return false;
	}
	if (r->msg.event == UFFD_EVENT_PAGEFAULT) {
		uint64_t at = r->msg.arg.pagefault.address;
		int tid = r->msg.arg.pagefault.feat.ptid;

		r->msg.event = 0;
		fill_fault(s, space, at, tid);
		return true;
	}
	s->used++;
	if (events_apply(s, space, &r->msg, e) < 0)
		return false;
	if (s->count > before && watch(s, s->spaces[before].uffd, before) < 0)
		err_sys(e, "watch a child for faults");
	if (s->used + 1 == JOURNAL_RECORDS && !e->code)
		(void)!pair_renew(s, e);
	return e->code == 0;
}

static void hear_all(struct lazy_server *s, unsigned int space, struct err *e)
{
	for (int n = 0; n < MESSAGES && s->spaces[space].uffd >= 0; n++)
		if (!hear(s, space, e))
			return;
}

/* The tree is let go, or there will be none. */
static void hear_go(struct lazy_server *s)
{
	uint32_t word = 0;
	ssize_t got = read(s->go, &word, s->go_word ? sizeof(word) : 1);

	if (got < 1 || (s->go_word && word != s->go_word)) {
		log_debug("lazy: the restore has ended before the tree was let go");
		s->shared->over = true;
		return;
	}
	s->shared->goes = true;
	close(s->go);
	s->go = -1;
}

static void attend(struct lazy_server *s, const struct epoll_event *ev, struct err *e)
{
	if (ev->data.u32 == ABOUT_GO) {
		hear_go(s);
	} else if (ev->data.u32 == ABOUT_SECOND) {
		pair_mend(s);
	} else if (ev->data.u32 < s->count) {
		hear_all(s, ev->data.u32, e);
	}
}

/* Nothing of it is outstanding. What is still missing is zero, as the kernel gives it. */
static void close_complete(struct lazy_server *s, struct err *e)
{
	bool all = true;

	for (size_t i = 0; i < s->count; i++) {
		struct lazy_space *sp = &s->spaces[i];

		if (sp->uffd >= 0 && sp->left == 0) {
			log_debug("lazy: all pages of space %u (pid %d) are there", sp->id,
				  sp->pid);
			if (events_close(s, i, e) < 0)
				return;
		}
		all &= sp->uffd < 0;
	}
	s->shared->over = all;
}

static uint64_t left_of(const struct lazy_server *s)
{
	uint64_t left = 0;

	for (size_t i = 0; i < s->count; i++)
		left += s->spaces[i].left;
	return left;
}

/* Whoever sleeps gets a processor sooner than who is at work. */
static bool is_quiet(const struct lazy_server *s)
{
	uint64_t now = io_now_us();

	return now - s->fault_at < QUIET_US && now - s->filled_at < FILL_US;
}

static int timeout_of(const struct lazy_server *s, bool busy)
{
	if (!s->shared->goes)
		return -1;
	if (busy)
		return is_quiet(s) ? QUIET_MS : 0;
	return REST_MS;
}

static void note_progress(struct lazy_server *s)
{
	uint64_t now = io_now_us();

	if (s->mark < 0 || now - s->noted_at < NOTE_US)
		return;
	serving_note(s->mark, left_of(s));
	s->noted_at = now;
}

static void serve(struct lazy_server *s, struct err *e)
{
	bool busy = true;
	int rounds = 0;

	while (!s->shared->over && !e->code) {
		struct epoll_event events[EVENTS];
		int n = epoll_wait(s->epoll, events, EVENTS, timeout_of(s, busy));

		for (int i = 0; i < n && !s->shared->over; i++)
			attend(s, &events[i], e);
		rounds = n > 0 ? rounds + 1 : BUSY;
		if (!s->shared->goes)
			continue;
		if (rounds >= BUSY && !is_quiet(s)) {
			rounds = 0;
			busy = fill_some(s);
			s->filled_at = io_now_us();
		}
		if (s->stuck_count && io_now_us() > s->retry_at)
			fill_retry(s);
		if (s->look_at && io_now_us() > s->look_at) {
			s->look_at = 0;
			tether_look(&s->tether);
		}
		note_progress(s);
		close_complete(s, e);
	}
}

static void on_our_own(void)
{
	setsid();
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGPIPE ||
					    sig == SIGCHLD ?
				    SIG_IGN :
				    SIG_DFL);
	(void)!chdir("/");
}

static void tell_ready(struct lazy_server *s)
{
	if (s->ready < 0)
		return;
	(void)!write(s->ready, "", 1);
	close(s->ready);
	s->ready = -1;
}

void lazy_server_run(struct lazy_server *s)
{
	struct err e = { 0 };

	on_our_own();
	pair_close_others(s);
	if (pair_renew(s, &e) == 0 && watch_all(s, &e) == 0) {
		tell_ready(s);
		serve(s, &e);
	}
	if (e.code) {
		lazy_say(s, &e);
		/* Another one may do better; and without any, the kernel ends the tree. */
		_exit(1);
	}
	/* Those that were stopped, and whose pages came by the way. */
	if (s->stuck_count)
		fill_retry(s);
	tether_cut(&s->tether, 0);
	if (s->mark >= 0)
		serving_end(s->mark);
	if (s->shared->goes && left_of(s) == 0) {
		log_info("lazy: all pages are there");
		if (s->source->done)
			s->source->done(s->source);
	}
	_exit(s->shared->goes ? 0 : 1);
}
