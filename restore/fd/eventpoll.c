/*
 * epoll: watches are added by the task that owns the descriptor, when everything that is watched is in place.
 *
 * A number may be watched twice: the second watch had been added by another number of the same file that is closed by
 * now. It is added by a number that nobody uses, which is closed again as that one was.
 */
#include "images/fd/eventpoll.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "restore/files_table.h"

enum { TARGET_ROOM = 3 };

static int eventpoll_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	own_fd fd = epoll_create1(EPOLL_CLOEXEC);

	(void)r;
	if (fd < 0)
		return err_sys(e, "epoll_create1");
	if (f->epfd->flags & O_NONBLOCK && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(e, "set its flags");
	*ret_fd = take_fd(&fd);
	return 0;
}

static void add(const struct rtask *t, int fd, const EventpollTfdEntry *w, int *passing,
		struct plan *p)
{
	struct epoll_event event = { .events = w->events, .data.u64 = w->data };
	const char *words = plan_words(p, "let fd %d (eventpoll) watch fd %u", fd, w->tfd);
	struct plan_arg at = DATA(p, plan_copy(p, &event, sizeof(event)));
	int copy;

	if (!passing) {
		plan_call(p, words, SYS_epoll_ctl, ARG(fd), ARG(EPOLL_CTL_ADD), ARG(w->tfd), at);
		return;
	}
	*passing = rfiles_gap(t, *passing + 1);
	copy = plan_call(p, words, SYS_dup3, ARG(w->tfd), ARG(*passing), ARG(O_CLOEXEC));
	plan_call(p, words, SYS_epoll_ctl, ARG(fd), ARG(EPOLL_CTL_ADD), RESULT(copy), at);
	plan_call(p, words, SYS_close, RESULT(copy));
}

/* Bit sets of numbers: which were added already. */
static bool was_set(uint8_t *set, uint32_t bit)
{
	bool was = set[bit / 8] >> bit % 8 & 1;

	set[bit / 8] |= 1 << bit % 8;
	return was;
}

static int eventpoll_join(struct rtask *t, const FileEntry *f, int fd, struct plan *p,
			  struct err *e)
{
	const EventpollFileEntry *ep = f->epfd;
	own_mem uint8_t *added = NULL;
	const struct rtable *table = rfiles_table(t);
	uint32_t highest = 0;
	int passing = 0;

	for (size_t i = 0; i < ep->n_tfd; i++) {
		if (!rfiles_number(table, ep->tfd[i]->tfd))
			return err_say(e, "it watches fd %u, which the process does not have",
				       ep->tfd[i]->tfd);
		highest = ep->tfd[i]->tfd > highest ? ep->tfd[i]->tfd : highest;
	}
	added = calloc(1, highest / 8 + 1);
	if (!added)
		return err_sys(e, "memory for %zu watches", ep->n_tfd);
	for (size_t i = 0; i < ep->n_tfd; i++) {
		bool twice = was_set(added, ep->tfd[i]->tfd);

		add(t, fd, ep->tfd[i], twice ? &passing : NULL, p);
	}
	return 0;
}

static uint32_t eventpoll_room(const FileEntry *f)
{
	return f->epfd->n_tfd * TARGET_ROOM;
}

const struct fd_restore_kind eventpoll_fd_restore_kind = {
	.name = "fd/eventpoll",
	.type = FD_TYPES__EVENTPOLL,
	.make = eventpoll_make,
	.join = eventpoll_join,
	.room = eventpoll_room,
};
