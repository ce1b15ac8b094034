/*
 * How a ring was set up, which the kernel does not tell. It has what fits in its fdinfo, though: an unsubmitted request is
 * shown with as many words as there are, a completion likewise, and the place in the ring by way of the array, if there is
 * one. So for a moment there is one more of either in the shared memory, while the program stands still. A process of its
 * own does that, and we put back what it has left if it is killed.
 *
 * What is left out (IOPOLL, COOP_TASKRUN, TASKRUN_FLAG) makes a difference in speed only; without SUBMIT_ALL, which cannot
 * be found out either, the kernel stops at a request with an error, and with it goes on.
 */
#include "dump/fd/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { TEXT_SIZE = 1 << 20, GROUPS = 1 << 16, REGISTER_PBUF_STATUS = 26 };

/* --- what is registered ------------------------------------------------------------------------ */

/* struct io_uring_buf_status */
struct buffer_status {
	uint32_t group, head, unused[8];
};

static int refuse(const char *what, struct err *e)
{
	err_code(e, ENOTSUP, "%s, which is not supported", what);
	return err_hint(e, "let the program close it before the dump");
}

/* Each number is asked for, 80 to 120 ms in all, unless a BPF program has seen that there is none; one tells the rest. */
static int check_groups(const struct uring *u, struct err *e)
{
	for (uint32_t group = 0; group < (u->no_groups ? 1 : GROUPS); group++) {
		struct buffer_status status = { .group = group };

		if (uring_register(u->fd, REGISTER_PBUF_STATUS, &status, 1) < 0) {
			if (errno == ENOENT)
				continue;
			if (errno == EEXIST)
				return refuse(
					"only one thread may use it (IORING_SETUP_SINGLE_ISSUER)",
					e);
			if (errno == EACCES)
				return refuse("it has restrictions", e);
			if (group == 0)
				return refuse("this kernel does not tell what buffers it has", e);
		}
		return refuse("buffers are provided to it for receiving", e);
	}
	return 0;
}

/* The kernel takes one at most, and numbers identities from 1 on; what could be registered is taken back at once. */
static const char *try_registering(int fd)
{
	own_fd event = eventfd(0, EFD_CLOEXEC);
	int id;

	if (uring_register(fd, IORING_REGISTER_EVENTFD, &event, 1) < 0)
		return errno == EBUSY ? "it tells an eventfd of its completions" :
					"it cannot be asked for an eventfd";
	uring_register(fd, IORING_UNREGISTER_EVENTFD, NULL, 0);
	id = uring_register(fd, IORING_REGISTER_PERSONALITY, NULL, 0);
	if (id < 0)
		return "it cannot be asked for identities";
	uring_register(fd, IORING_UNREGISTER_PERSONALITY, NULL, id);
	return NULL;
}

static pid_t fork_apart(void)
{
	sigset_t all;
	pid_t pid = fork();

	if (pid == 0) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		setsid();
	}
	return pid;
}

static int reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

int uring_check_registered(struct uring *u, struct err *e)
{
	const char **what;
	const char *found;
	pid_t pid;

	if (uring_enter(u->fd, 0, 0) < 0)
		return errno == EBADFD ?
			       refuse("it is not enabled yet (IORING_SETUP_R_DISABLED)", e) :
			       err_sys(e, "io_uring_enter");
	if (check_groups(u, e) < 0)
		return e->code;
	what = mmap(NULL, sizeof(*what), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (what == MAP_FAILED)
		return err_sys(e, "memory for an answer");
	*what = "the process that asked it was killed";
	pid = fork_apart();
	if (pid == 0) {
		*what = try_registering(u->fd);
		_exit(0);
	}
	if (pid > 0)
		reap(pid);
	found = *what;
	munmap(what, sizeof(*what));
	if (pid < 0)
		return err_sys(e, "fork");
	return found ? refuse(found, e) : 0;
}

/* --- how it was set up ------------------------------------------------------------------------- */

/* Words of the shared memory that are changed for a moment. */
struct change {
	uint32_t *word, was, is;
};

struct looking {
	struct uring *u;
	struct change changes[3];
	size_t count;
	char *text; /* shared */
};

static void add_change(struct looking *l, uint32_t at, uint32_t is)
{
	uint32_t *word = uring_word(l->u, at);

	l->changes[l->count++] = (struct change){ word, *word, is };
}

static void read_text(const struct looking *l)
{
	char path[48];
	size_t size = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->u->fd);
	own_fd fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (n = read(fd, l->text + size, TEXT_SIZE - 1 - size)) > 0)
		size += n;
	l->text[size] = 0;
}

static _Noreturn void change_and_read(const struct looking *l)
{
	for (size_t i = 0; i < l->count; i++)
		__atomic_store_n(l->changes[i].word, l->changes[i].is, __ATOMIC_SEQ_CST);
	read_text(l);
	for (size_t i = 0; i < l->count; i++)
		__atomic_store_n(l->changes[i].word, l->changes[i].was, __ATOMIC_SEQ_CST);
	_exit(0);
}

/* The text of fdinfo as it is with these changes. */
static int look_changed(struct looking *l, struct err *e)
{
	pid_t pid;

	l->text[0] = 0;
	pid = fork_apart();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		change_and_read(l);
	if (reap(pid) == 0)
		return 0;
	for (size_t i = 0; i < l->count; i++)
		*l->changes[i].word = l->changes[i].was;
	return err_code(e, EINTR, "the process that looked at the ring was killed");
}

static int shown_place(const char *text)
{
	const char *list = strstr(text, "\nSQEs:");
	int place = -1;

	list = list ? strchr(list + 1, '\n') : NULL;
	return list && sscanf(list, " %d:", &place) == 1 ? place : -1;
}

static int map_ring(struct uring *u, const struct io_uring_params *p, struct err *e)
{
	u->ring_size = uring_ring_size(p);
	u->sqes_size = uring_sqes_size(p);
	u->ring = mmap(NULL, u->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, u->fd,
		       IORING_OFF_SQ_RING);
	u->sqes = u->ring == MAP_FAILED ? MAP_FAILED :
					  mmap(NULL, u->sqes_size, PROT_READ | PROT_WRITE,
					       MAP_SHARED, u->fd, IORING_OFF_SQES);
	if (u->sqes != MAP_FAILED)
		return 0;
	if (errno == EINVAL)
		return refuse("it lies in memory of the program (IORING_SETUP_NO_MMAP)", e);
	return err_sys(e, "map the ring");
}

void uring_unmap(struct uring *u)
{
	if (u->ring && u->ring != MAP_FAILED)
		munmap(u->ring, u->ring_size);
	if (u->sqes && u->sqes != MAP_FAILED)
		munmap(u->sqes, u->sqes_size);
	u->ring = u->sqes = NULL;
}

/* Where this kernel has what, in a ring of ours that is set up so. */
static int read_layout(struct io_uring_params *p, struct err *e)
{
	struct io_uring_params like = { .flags = IORING_SETUP_CQSIZE | p->flags,
					.cq_entries = p->cq_entries };
	own_fd fd = uring_setup(p->sq_entries, &like);

	if (fd < 0)
		return err_sys(e, "io_uring_setup(%u)", p->sq_entries);
	if (like.sq_entries != p->sq_entries || like.cq_entries != p->cq_entries)
		return err_code(e, ENOTSUP, "its sizes, %u and %u, are not known here",
				p->sq_entries, p->cq_entries);
	like.flags = p->flags;
	*p = like;
	return 0;
}

/* One more of each; a request is shown as what is at its place, whatever that is. */
static int look_at_sizes(struct looking *l, struct err *e)
{
	struct uring *u = l->u;
	struct io_uring_params *p = &u->params;

	if (read_layout(p, e) < 0 || map_ring(u, p, e) < 0)
		return e->code;
	add_change(l, p->sq_off.tail, *uring_word(u, p->sq_off.head) + 1);
	add_change(l, p->cq_off.head, *uring_word(u, p->cq_off.tail) - 1);
	if (look_changed(l, e) < 0)
		return e->code;
	p->flags |= strstr(l->text, " e0:0x") ? IORING_SETUP_SQE128 : 0;
	p->flags |= strstr(l->text, " extra1:") ? IORING_SETUP_CQE32 : 0;
	uring_unmap(u);
	return 0;
}

/* What cannot be read by this call would end us if it were touched. */
static bool is_there(uint32_t *word)
{
	uint32_t value;
	struct iovec to = { &value, sizeof(value) }, from = { word, sizeof(*word) };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == sizeof(value);
}

/* Whether requests are found by way of the array: one place of it is made to lead elsewhere. */
static int look_for_array(struct looking *l, struct err *e)
{
	struct uring *u = l->u;
	struct io_uring_params *p = &u->params;
	uint32_t head, mask = p->sq_entries - 1, at, elsewhere;

	if (read_layout(p, e) < 0 || map_ring(u, p, e) < 0)
		return e->code;
	if (p->sq_entries == 1) /* it leads nowhere else */
		return 0;
	head = *uring_word(u, p->sq_off.head);
	at = p->sq_off.array + (head & mask) * sizeof(uint32_t);
	elsewhere = (head + 1) & mask;
	if (is_there(uring_word(u, at))) {
		l->count = 0;
		add_change(l, p->sq_off.tail, head + 1);
		add_change(l, at, elsewhere);
		if (look_changed(l, e) < 0)
			return e->code;
		if (shown_place(l->text) == (int)elsewhere)
			return 0;
	}
	p->flags |= IORING_SETUP_NO_SQARRAY;
	uring_unmap(u);
	return read_layout(p, e) < 0 ? e->code : map_ring(u, p, e);
}

int uring_look(struct uring *u, struct err *e)
{
	struct looking l = { .u = u };
	int r;

	l.text = mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l.text == MAP_FAILED)
		return err_sys(e, "memory for what is told of the ring");
	r = look_at_sizes(&l, e);
	if (r == 0)
		r = look_for_array(&l, e);
	munmap(l.text, TEXT_SIZE);
	return r;
}
