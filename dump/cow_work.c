/* The threads that save a moment; see cow_work.h. */
#include "dump/cow_work.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/thread.h"

/*
 * Before the moment, whoever writes makes the stop longer by each window that has to be protected again. So these writers
 * are served some 5000 times a second only; they wait about as long as they would after the moment.
 */
enum { ROOM = 256, SAVERS = 2, MESSAGES = 16, EARLY_US = 200 };

/* A window that has been read for a writer, on its way into the file. */
struct parcel {
	struct parcel *next;
	struct cow_copy copy;
	char data[COW_WINDOW];
};

/* Units that somebody waits for. */
struct hurry {
	struct cow_space *space;
	size_t at, last; /* not taken yet */
};

struct cow_work {
	struct cow_space **spaces;
	size_t count;
	pthread_t owner, server, savers[SAVERS], remover;
	bool serves, removes;
	_Atomic bool settled; /* see EARLY_US */
	_Atomic bool removed;
	size_t saving; /* savers that have been started */
	int end_fd;    /* readable: the server is to end */
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	struct parcel *full, *empty;
	size_t parcels; /* there are, wherever they are */
	size_t out;	/* of these, being filled */
	struct hurry *hurries;
	size_t hurry_count;
	size_t space, unit; /* the first that nobody has taken yet */
	bool last;	    /* no more parcels will come */
	bool failed;
	struct err err;
};

int cow_thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg, struct err *e)
{
	int r = thread_start(ret, run, arg);

	return r ? err_code(e, r, "start a thread: %s", strerror(r)) : 0;
}

void cow_work_fail(struct cow_work *w, const struct err *e)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed)
		w->err = *e;
	w->failed = true;
	pthread_cond_broadcast(&w->room);
	pthread_mutex_unlock(&w->lock);
	pthread_kill(w->owner, COW_NEWS);
}

/* NULL when the work has failed. */
static struct parcel *take_empty(struct cow_work *w)
{
	struct parcel *p = NULL;

	pthread_mutex_lock(&w->lock);
	while (!w->empty && w->parcels >= ROOM && !w->failed)
		pthread_cond_wait(&w->room, &w->lock);
	if (w->empty) {
		p = w->empty;
		w->empty = p->next;
	} else if (!w->failed) {
		p = malloc(sizeof(*p));
		w->parcels += p != NULL;
	}
	w->out += p != NULL;
	pthread_mutex_unlock(&w->lock);
	return p;
}

static void give_full(struct cow_work *w, struct parcel *p)
{
	pthread_mutex_lock(&w->lock);
	p->next = w->full;
	w->full = p;
	if (--w->out == 0 && w->last)
		pthread_cond_broadcast(&w->more);
	else
		pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static void give_empty(struct cow_work *w, struct parcel *p)
{
	pthread_mutex_lock(&w->lock);
	p->next = w->empty;
	w->empty = p;
	pthread_cond_signal(&w->room);
	pthread_mutex_unlock(&w->lock);
}

/* Reads at most a window of units, and leaves them to be written. */
static int read_units(struct cow_work *w, struct cow_space *s, size_t first, size_t last,
		      struct err *e)
{
	struct parcel *p;
	size_t i = first;

	while (i < last && s->units[i].saved)
		i++;
	if (i == last)
		return 0;
	p = take_empty(w);
	if (!p)
		return err_code(e, ENOMEM, "memory for saved pages");
	p->copy = (struct cow_copy){ .data = p->data };
	if (cow_space_copy(s, first, last, &p->copy, e) < 0)
		p->copy.count = 0;
	give_full(w, p);
	return e->code;
}

void cow_work_touch(struct cow_work *w, struct cow_space *s, uint64_t at)
{
	struct range window = cow_space_window(s, at, COW_WINDOW);
	size_t first = cow_space_find(s, window.start), last = cow_space_find(s, window.end);
	struct err e = { 0 };

	if (last < s->unit_count && s->units[last].vaddr < window.end)
		last++; /* the area ends within a block */
	/* One more than a window has if another area ends where this one begins. */
	for (size_t i = first, next; i < last && !e.code; i = next) {
		next = i + COW_WINDOW / COW_BLOCK < last ? i + COW_WINDOW / COW_BLOCK : last;
		(void)!read_units(w, s, i, next, &e);
	}
	if (e.code)
		cow_work_fail(w, &e);
	cow_space_release(s, window.start, window.end);
	if (w->hurry_count || !s->left)
		pthread_kill(w->owner, COW_NEWS);
}

static void serve_early(struct cow_space *s, uint64_t at)
{
	struct range window = cow_space_window(s, at, COW_EARLY);

	cow_space_release(s, window.start, window.end);
}

static void serve(struct cow_work *w, struct cow_space *s)
{
	struct uffd_msg m[MESSAGES];
	ssize_t n = read(s->uffd, m, sizeof(m));

	for (ssize_t i = 0; i < n / (ssize_t)sizeof(*m); i++) {
		if (m[i].event != UFFD_EVENT_PAGEFAULT)
			continue;
		pthread_mutex_lock(&s->gate);
		if (!s->saving)
			serve_early(s, m[i].arg.pagefault.address);
		pthread_mutex_unlock(&s->gate);
		/* Once the moment is there it stays. */
		if (s->saving)
			cow_work_touch(w, s, m[i].arg.pagefault.address);
	}
}

static void *serve_all(void *arg)
{
	struct cow_work *w = arg;
	struct pollfd *p = calloc(w->count + 1, sizeof(*p));

	if (!p) {
		cow_work_fail(w, &(struct err){ .code = -ENOMEM,
						.text = "memory to wait for writers" });
		return NULL;
	}
	/* Somebody waits for us, always. */
	setpriority(PRIO_PROCESS, syscall(SYS_gettid), -20);
	for (size_t i = 0; i < w->count; i++)
		p[i] = (struct pollfd){ .fd = w->spaces[i]->uffd, .events = POLLIN };
	p[w->count] = (struct pollfd){ .fd = w->end_fd, .events = POLLIN };
	while (!p[w->count].revents) {
		if (poll(p, w->count + 1, -1) < 0)
			continue;
		if (!w->settled)
			usleep(EARLY_US);
		for (size_t i = 0; i < w->count; i++) {
			if (p[i].revents & POLLIN)
				serve(w, w->spaces[i]);
			else if (p[i].revents)
				p[i].fd = -1; /* its memory is gone */
		}
	}
	free(p);
	return NULL;
}

/* What one saver has to do next. */
struct errand {
	struct parcel *parcel; /* to be written; or */
	struct cow_space *space;
	size_t first, last; /* units to be saved: at most a batch, in one area */
};

static size_t batch_end(const struct cow_space *s, size_t first, size_t last)
{
	size_t i = first, area = ranges_find(&s->areas, s->units[first].vaddr);
	uint64_t end = (s->units[first].vaddr / COW_BATCH + 1) * COW_BATCH;

	if (area < s->areas.count && s->areas.all[area].end < end)
		end = s->areas.all[area].end;
	while (i < last && s->units[i].vaddr < end)
		i++;
	return i;
}

static bool take_hurry(struct cow_work *w, struct errand *ret)
{
	while (w->hurry_count) {
		struct hurry *h = &w->hurries[0];

		if (h->at < h->last) {
			*ret = (struct errand){ .space = h->space, .first = h->at };
			ret->last = h->at = batch_end(h->space, h->at, h->last);
			return true;
		}
		memmove(h, h + 1, --w->hurry_count * sizeof(*h));
	}
	return false;
}

static bool take_next(struct cow_work *w, struct errand *ret)
{
	for (; w->space < w->count; w->space++, w->unit = 0) {
		struct cow_space *s = w->spaces[w->space];

		if (w->unit < s->unit_count) {
			*ret = (struct errand){ .space = s, .first = w->unit };
			ret->last = w->unit = batch_end(s, w->unit, s->unit_count);
			return true;
		}
	}
	return false;
}

static bool take_errand(struct cow_work *w, struct errand *ret)
{
	bool got = false;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		*ret = (struct errand){ .parcel = w->full };
		if (w->full)
			w->full = w->full->next;
		got = !w->failed && (ret->parcel || take_hurry(w, ret) || take_next(w, ret));
		if (got || (w->last && !w->out) || w->failed)
			break;
		pthread_cond_wait(&w->more, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return got;
}

/* Units that are read and written together: their system calls cost half as much, and they stay in the cache. */
enum { TOGETHER = 2 };

/* What one saver has. */
struct saver {
	char buf[TOGETHER * COW_BLOCK];
	struct manifest_part part;
	struct page_view view;
};

static int save_batch(struct cow_work *w, const struct errand *errand, struct saver *me,
		      struct err *e)
{
	struct cow_space *s = errand->space;
	struct cow_copy copy = { .data = me->buf, .view = &me->view };

	me->view = (struct page_view){};
	for (size_t i = errand->first, next; i < errand->last; i = next) {
		next = i + TOGETHER < errand->last ? i + TOGETHER : errand->last;
		if (cow_space_copy(s, i, next, &copy, e) < 0 ||
		    cow_copy_write(&copy, &me->part, e) < 0)
			return e->code;
	}
	cow_space_release(s, s->units[errand->first].vaddr,
			  cow_space_window(s, s->units[errand->last - 1].vaddr, COW_BLOCK).end);
	if (w->hurry_count || !s->left)
		pthread_kill(w->owner, COW_NEWS);
	return 0;
}

static void *save_all(void *arg)
{
	struct cow_work *w = arg;
	struct saver me = {};
	struct errand errand;
	struct err e = { 0 };

	while (!e.code && take_errand(w, &errand)) {
		if (!errand.parcel) {
			(void)!save_batch(w, &errand, &me, &e);
			continue;
		}
		(void)!cow_copy_write(&errand.parcel->copy, &me.part, &e);
		give_empty(w, errand.parcel);
	}
	manifest_part_free(&me.part);
	if (e.code)
		cow_work_fail(w, &e);
	return NULL;
}

int cow_work_start(struct cow_space **spaces, size_t count, struct cow_work **ret, struct err *e)
{
	struct cow_work *w = calloc(1, sizeof(*w));

	if (!w)
		return err_sys(e, "memory for threads");
	w->spaces = spaces;
	w->count = count;
	w->owner = pthread_self();
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_cond_init(&w->room, NULL);
	w->end_fd = eventfd(0, EFD_CLOEXEC);
	*ret = w;
	if (w->end_fd < 0)
		return err_sys(e, "eventfd");
	w->serves = cow_thread_start(&w->server, serve_all, w, e) == 0;
	return w->serves ? 0 : e->code;
}

void cow_work_settle(struct cow_work *w)
{
	w->settled = true;
}

int cow_work_save(struct cow_work *w, struct err *e)
{
	while (w->saving < SAVERS && cow_thread_start(&w->savers[w->saving], save_all, w, e) == 0)
		w->saving++;
	return w->saving ? 0 : e->code;
}

int cow_work_hurry(struct cow_work *w, struct cow_space *s, size_t first, size_t last,
		   struct err *e)
{
	int r;

	pthread_mutex_lock(&w->lock);
	r = io_grow(&w->hurries, w->hurry_count, sizeof(*w->hurries), e);
	if (r == 0)
		w->hurries[w->hurry_count++] = (struct hurry){ s, first, last };
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	return r;
}

int cow_work_check(struct cow_work *w, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&w->lock);
	if (w->failed) {
		*e = w->err;
		r = e->code;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

bool cow_work_done(const struct cow_work *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->spaces[i]->left)
			return false;
	return true;
}

static void join_savers(struct cow_work *w)
{
	pthread_mutex_lock(&w->lock);
	w->last = true;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	while (w->saving)
		pthread_join(w->savers[--w->saving], NULL);
}

int cow_work_finish(struct cow_work *w, struct err *e)
{
	join_savers(w);
	return cow_work_check(w, e);
}

static void *remove_all(void *arg)
{
	struct cow_work *w = arg;

	for (size_t i = 0; i < w->count; i++)
		cow_space_unregister(w->spaces[i]);
	w->removed = true;
	pthread_kill(w->owner, COW_NEWS);
	return NULL;
}

void cow_work_unregister(struct cow_work *w)
{
	struct err ignored = { 0 };

	if (w->removes || w->removed)
		return;
	w->removes = cow_thread_start(&w->remover, remove_all, w, &ignored) == 0;
	if (!w->removes)
		remove_all(w);
}

bool cow_work_unregistered(const struct cow_work *w)
{
	return w->removed;
}

static void free_parcels(struct parcel *p)
{
	for (struct parcel *next; p; p = next) {
		next = p->next;
		free(p);
	}
}

void cow_work_free(struct cow_work *w)
{
	uint64_t one = 1;

	if (!w)
		return;
	if (w->saving)
		cow_work_fail(w, &(struct err){ .code = -EINTR, .text = "given up" });
	join_savers(w);
	if (w->serves && write(w->end_fd, &one, sizeof(one)) == sizeof(one))
		pthread_join(w->server, NULL);
	if (w->removes)
		pthread_join(w->remover, NULL);
	own_close(&w->end_fd);
	free_parcels(w->full);
	free_parcels(w->empty);
	free(w->hurries);
	free(w);
}
