/*
 * epoll: what it watches, from the tfd: lines of fdinfo.
 *
 * The kernel watches files and remembers the numbers that they were added by; since then a number may have been closed or
 * given to another file, and the watch goes on as long as the file is open under another. So each one
 * is proven by kcmp(KCMP_EPOLL_TFD), and if need be looked for among the descriptors of the same task.
 *
 * A one-shot watch that has fired is restored without the hang-up and error events that it had ignored.
 */
#include "images/fd/eventpoll.pb-c.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "dump/files.h"
#include "lib/io.h"

extern const struct fd_kind eventpoll_fd_kind;

static bool eventpoll_match(const struct file *f)
{
	return strcmp(f->link, "anon_inode:[eventpoll]") == 0;
}

static bool parse_target(const char *at, EventpollTfdEntry *t)
{
	/* A line of its own: sscanf looks for the end of its text, and this one can be long. */
	char line[256];
	unsigned long long data;
	unsigned int tfd, events, dev;
	unsigned long ino;
	long long pos;
	int n;

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	n = sscanf(line, "tfd: %u events: %x data: %llx pos:%lli ino:%lx sdev:%x", &tfd, &events,
		   &data, &pos, &ino, &dev);
	if (n < 3)
		return false;
	t->tfd = tfd;
	t->events = events;
	t->data = data;
	t->has_pos = t->has_inode = t->has_dev = n == 6;
	if (n == 6) {
		t->pos = pos;
		t->inode = ino;
		t->dev = dev;
	}
	return true;
}

static size_t count_targets(const char *text)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, "tfd:")); p++)
		n++;
	return n;
}

static int eventpoll_dump(struct file *f, FileEntry *entry, struct err *e)
{
	EventpollFileEntry *ep = pool_new(&f->dump->pool, EventpollFileEntry);
	size_t count = count_targets(f->fdinfo);

	eventpoll_file_entry__init(ep);
	ep->id = f->id;
	ep->flags = f->flags;
	ep->fown = f->fown;
	ep->tfd = pool_array(&f->dump->pool, EventpollTfdEntry *, count + 1);
	for (const char *p = f->fdinfo; (p = strstr(p, "tfd:")); p++) {
		EventpollTfdEntry *t = pool_new(&f->dump->pool, EventpollTfdEntry);

		eventpoll_tfd_entry__init(t);
		if (!parse_target(p, t))
			return err_code(e, ENOTSUP, "what it watches is told in an unknown form");
		ep->tfd[ep->n_tfd++] = t;
	}
	entry->epfd = ep;
	return 0;
}

/* Whether number num is what the watch at this place, the nth of its number, is of. */
static bool is_target(const struct file *f, struct kcmp_epoll_slot *slot, int num)
{
	int pid = f->task->pid;

	return syscall(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, num, slot) == 0;
}

static bool may_be(const struct file *f, const EventpollTfdEntry *t)
{
	return !t->has_inode || f->st.st_ino == t->inode;
}

/* A socket cannot be opened twice, so its inode is proof enough; and the kernel looks for a watch one by one. */
static bool is_socket(const struct fd_table *table, const EventpollTfdEntry *t)
{
	const struct descriptor *at = table ? files_descriptor(table, t->tfd) : NULL;

	return at && t->has_inode && S_ISSOCK(at->file->st.st_mode) &&
	       at->file->st.st_ino == t->inode;
}

static int find_target(const struct file *f, EventpollTfdEntry *t, struct kcmp_epoll_slot *slot,
		       struct err *e)
{
	const struct fd_table *table = files_table(f->task);

	if (is_socket(table, t) || is_target(f, slot, t->tfd))
		return 0;
	for (size_t i = 0; table && i < table->count; i++)
		if (may_be(table->at[i].file, t) && is_target(f, slot, table->at[i].num)) {
			t->tfd = table->at[i].num;
			return 0;
		}
	err_code(e, ENOTSUP,
		 "it watches what was fd %u when it was added, which is open no more in "
		 "that process but in another",
		 t->tfd);
	return err_hint(e, "let the program remove the watch before it closes the descriptor");
}

/* A watch, and by which number it was added. */
struct numbered {
	uint32_t number;
	size_t place;
};

static int by_number(const void *va, const void *vb)
{
	const struct numbered *a = va, *b = vb;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->place < b->place ? -1 : a->place > b->place;
}

/* The kernel lists watches by file, so those of one number may be anywhere; it wants to know which of them. */
static int find_targets(const struct file *f, struct err *e)
{
	EventpollFileEntry *ep = f->entry->epfd;
	struct numbered *all = pool_array(&f->dump->pool, struct numbered, ep->n_tfd + 1);
	struct kcmp_epoll_slot slot = { .efd = f->num };

	for (size_t i = 0; i < ep->n_tfd; i++)
		all[i] = (struct numbered){ ep->tfd[i]->tfd, i };
	qsort(all, ep->n_tfd, sizeof(*all), by_number);
	for (size_t i = 0; i < ep->n_tfd; i++) {
		bool again = i && all[i].number == all[i - 1].number;

		slot.tfd = all[i].number;
		slot.toff = again ? slot.toff + 1 : 0;
		if (find_target(f, ep->tfd[all[i].place], &slot, e) < 0)
			return files_blame(f, e);
	}
	return 0;
}

static int eventpoll_finish(struct dump *d, struct err *e)
{
	struct file *f = NULL;

	while ((f = files_next(d, &eventpoll_fd_kind, f)))
		if (find_targets(f, e) < 0)
			return e->code;
	return 0;
}

const struct fd_kind eventpoll_fd_kind = {
	.name = "fd/eventpoll",
	.type = FD_TYPES__EVENTPOLL,
	.match = eventpoll_match,
	.dump = eventpoll_dump,
	.finish = eventpoll_finish,
};
