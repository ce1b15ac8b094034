/* What the kernel tells of the mappings, applied to what is outstanding; see server.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lazy/server.h"
#include "lazy/witness.h"
#include "lib/io.h"
#include "lib/log.h"

enum { BORN_US = 5000 };

/* 'of' may move when the array grows. */
static int add_child(struct lazy_server *s, unsigned int of, int uffd, struct err *e)
{
	struct lazy_space child;

	if (io_grow(&s->spaces, s->count, sizeof(child), e) < 0 ||
	    lazy_space_fork(&s->spaces[of], &child, e) < 0)
		return e->code;
	child.uffd = uffd;
	child.id = s->count;
	/* It has no number yet. */
	s->look_at = io_now_us() + BORN_US;
	log_debug("lazy: a child of space %u (pid %d) is space %u, %lu pages outstanding", of,
		  child.pid, child.id, child.left);
	s->spaces[s->count++] = child;
	return 0;
}

int events_apply(struct lazy_server *s, unsigned int space, const struct uffd_msg *m, struct err *e)
{
	struct lazy_space *sp;

	if (space >= s->count)
		return err_say(e, "a message is about space %u, which there is not", space);
	sp = &s->spaces[space];
	switch (m->event) {
	case UFFD_EVENT_FORK:
		return add_child(s, space, m->arg.fork.ufd, e);
	case UFFD_EVENT_REMAP:
		return lazy_space_move(sp, m->arg.remap.from, m->arg.remap.to, m->arg.remap.len, e);
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		return lazy_space_cut(sp, m->arg.remove.start, m->arg.remove.end, e);
	case JOURNAL_CLOSED:
		if (sp->witnessed)
			s->witness = -1;
		lazy_space_end(sp);
		return 0;
	default:
		return 0;
	}
}

/* Noted first: whoever takes over closes what it does not know. */
int events_close(struct lazy_server *s, unsigned int space, struct err *e)
{
	struct lazy_space *sp = &s->spaces[space];
	struct journal_record *r;

	if (s->used + 1 == JOURNAL_RECORDS && pair_renew(s, e) < 0)
		return e->code;
	r = &s->journal->records[s->used];
	memset(r, 0, sizeof(*r));
	r->space = space;
	__atomic_store_n(&r->msg.event, JOURNAL_CLOSED, __ATOMIC_RELEASE);
	s->used++;
	close(sp->uffd);
	if (sp->witnessed)
		witness_end(&s->witness);
	lazy_space_end(sp);
	return 0;
}

int events_replay(struct lazy_server *s, struct err *e)
{
	for (s->used = 0; s->used < JOURNAL_RECORDS; s->used++) {
		const struct journal_record *r = &s->journal->records[s->used];

		if (r->msg.event == 0 || r->msg.event == UFFD_EVENT_PAGEFAULT)
			break;
		if (events_apply(s, r->space, &r->msg, e) < 0)
			return e->code;
	}
	return 0;
}
