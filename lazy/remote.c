/*
 * Pages from elsewhere; see remote.h. Two processes know of it (lazy/server.h), of which one asks: what the other has heard is
 * unknown to the one that takes over, so that connects anew.
 */
#include "lazy/remote.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "images/pages.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "pages/wire.h"

enum { PATIENCE = 10 /* seconds */ };

struct source_remote {
	struct lazy_source source; /* first */
	const struct options *opt;
	struct page_link link;
	int owner; /* the process whose link it is */
	int *fd;   /* of the link, as both processes know it */
};

static void lose(struct source_remote *s)
{
	link_drop(&s->link);
	*s->fd = -1;
}

static int connect_anew(struct source_remote *s, struct err *e)
{
	if (s->owner != getpid()) {
		/* Its number may be somebody else's by now. */
		s->link.fd = *s->fd;
		lose(s);
		s->owner = getpid();
	}
	if (s->link.fd >= 0)
		return 0;
	if (s->opt->pages.socket >= 0)
		return err_say(e, "the socket of --ps-socket is lost, and there is no other way");
	s->link = (struct page_link){ .fd = -1, .patience = PATIENCE };
	/* Files of TLS may be named from there. */
	if (s->opt->work_fd >= 0)
		(void)!fchdir(s->opt->work_fd);
	if (link_connect(&s->link, s->opt, e) < 0)
		return e->code;
	*s->fd = s->link.fd;
	log_info("connected to %s again", s->link.name);
	return 0;
}

static int check_answer(const struct page_want *w, const struct page_request *a, struct err *e)
{
	if (request_command(a) == PS_ADD_F && a->vaddr == w->vaddr && a->nr_pages <= w->pages &&
	    (!a->nr_pages || request_flags(a) & PE_PRESENT))
		return 0;
	return err_say(
		e,
		"the answer to %lu pages at %lx is command %#x, %lu pages at %lx, which makes no "
		"sense",
		w->pages, w->vaddr, a->command, a->nr_pages, a->vaddr);
}

static int ask(struct source_remote *s, const struct page_want *w, void *to, uint64_t *ret_pages,
	       struct err *e)
{
	struct page_request r = {
		.command = PS_GET, .nr_pages = w->pages, .vaddr = w->vaddr, .map = w->pid
	};
	int got;

	if (connect_anew(s, e) < 0 || request_send(&s->link, &r, e) < 0)
		return e->code;
	/* All of it waits for this, so it has an end. */
	if (link_flush(&s->link, e) < 0 || link_wait(&s->link, POLLIN, true, e) < 0)
		return e->code;
	got = request_receive(&s->link, &r, e);
	if (got == 0)
		return err_code(e, EPIPE, "%s has ended", s->link.name);
	if (got < 0 || check_answer(w, &r, e) < 0 ||
	    link_read(&s->link, to, r.nr_pages * PAGE_SIZE, e) < 0)
		return e->code;
	*ret_pages = r.nr_pages;
	return 0;
}

static int remote_read(struct lazy_source *source, const struct page_want *w, void *to,
		       uint64_t *ret_pages, struct err *e)
{
	struct source_remote *s = (struct source_remote *)source;
	struct page_want some = *w;

	some.pages = some.pages < SOURCE_PAGES ? some.pages : SOURCE_PAGES;
	if (ask(s, &some, to, ret_pages, e) < 0) {
		lose(s);
		e->code = -EAGAIN;
		return err_on(e, "the page server");
	}
	return *ret_pages ? 0 : -ENODATA;
}

static void remote_done(struct lazy_source *source)
{
	struct source_remote *s = (struct source_remote *)source;
	struct page_request r = { .command = PS_CLOSE };
	struct err e = { 0 };
	int32_t answer;

	if (connect_anew(s, &e) < 0 || request_send(&s->link, &r, &e) < 0 ||
	    link_read(&s->link, &answer, sizeof(answer), &e) < 0) {
		err_on(&e, "all pages are there, which could not be told to the page server");
		log_error("%s", e.text);
	}
	link_close(&s->link);
}

static void remote_descriptors(const struct lazy_source *source, void (*add)(void *arg, int fd),
			       void *arg)
{
	const struct source_remote *s = (const struct source_remote *)source;

	add(arg, *s->fd);
	add(arg, s->opt->pages.socket);
}

static void remote_close(struct lazy_source *source)
{
	struct source_remote *s = (struct source_remote *)source;

	link_drop(&s->link);
	munmap(s->fd, sizeof(*s->fd));
	free(s);
}

int source_remote_begin(struct lazy_source **ret, const struct options *opt, struct err *e)
{
	struct source_remote *s = calloc(1, sizeof(*s));

	if (!s)
		return err_sys(e, "memory for a source of pages");
	s->source =
		(struct lazy_source){ remote_read, remote_descriptors, remote_close, remote_done };
	s->opt = opt;
	s->owner = getpid();
	s->link = (struct page_link){ .fd = -1, .patience = PATIENCE };
	s->fd = mmap(NULL, sizeof(*s->fd), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (s->fd == MAP_FAILED) {
		free(s);
		return err_sys(e, "memory for a source of pages");
	}
	if (link_connect(&s->link, opt, e) < 0) {
		remote_close(&s->source);
		return err_on(e, "the page server");
	}
	*s->fd = s->link.fd;
	*ret = &s->source;
	return 0;
}
