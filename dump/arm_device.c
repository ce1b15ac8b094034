/*
 * A userfaultfd for a task that may not make one itself: where the kernel's own writes have to wait as well, the system
 * call asks for CAP_SYS_PTRACE. /dev/userfaultfd asks only for the right to open it, which we have; so the task gets our
 * descriptor of it, through a pair of sockets, and all of these are closed again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "dump/arm_device.h"
#include "dump/guard.h"
#include "lib/proc.h"
#include "lib/uffd.h"

/* Newer than the headers of Debian 12. */
#define MAKE_UFFD _IO(0xAA, 0x00)

enum { ROOM = 4 };

union control {
	char room[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

/* What the task has now, it keeps: whoever takes the rest away, we or the guardian, tells the others by that. */
static int note_descriptors(struct task *t, struct err *e)
{
	struct injection *i = t->injection;
	own_pids fds = { 0 };
	int *had;

	if (proc_descriptors(t->proc_fd, &fds, e) < 0 ||
	    guard_alloc(t->dump->guard, (fds.count + 1) * sizeof(*had), &had, e) < 0)
		return e->code;
	if (fds.count)
		memcpy(had, fds.pid, fds.count * sizeof(*had));
	i->had_count = fds.count;
	i->had = had;
	return 0;
}

/* Where a message with one descriptor is received, in the task's memory. */
struct inbox {
	struct msghdr message;
	struct iovec part;
	union control control;
	char byte;
};

struct borrowing {
	struct task *task;
	struct inject_plan p;
	size_t used; /* of the arena, before */
	int pair[2]; /* numbers in the task, and so is the next */
	int device;
};

static int begin(struct borrowing *b, struct err *e)
{
	b->p = (struct inject_plan){ .i = b->task->injection };
	b->used = b->p.i->arena.used;
	return plan_begin(&b->p.plan, &b->p.i->arena, ROOM, e);
}

/* The result of the first call. */
static int run(struct borrowing *b, long *ret, struct err *e)
{
	int r = inject_run(&b->p, 1, e);

	if (r == 0)
		*ret = plan_result(&b->p.plan, 0);
	return r;
}

static void end(struct borrowing *b)
{
	plan_end(&b->p.plan);
	b->p.i->arena.used = b->used;
}

static int make_pair(struct borrowing *b, struct err *e)
{
	struct plan *p = &b->p.plan;
	int r = begin(b, e);
	long res = 0;
	int *pair;

	if (r < 0)
		return r;
	pair = plan_data(p, sizeof(b->pair));
	plan_try(p, "make a pair of sockets", SYS_socketpair, ARG(AF_UNIX),
		 ARG(SOCK_DGRAM | SOCK_CLOEXEC), ARG(0), DATA(p, pair));
	r = run(b, &res, e);
	if (r == 0)
		memcpy(b->pair, pair, sizeof(b->pair));
	end(b);
	return r == 0 && res < 0 ? err_res(e, res, "make a pair of sockets") : r;
}

static int send_device(struct borrowing *b, struct err *e)
{
	own_fd device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	own_fd to = syscall(SYS_pidfd_getfd, b->task->pidfd, b->pair[0], 0);
	char byte = 0;
	struct iovec part = { &byte, 1 };
	union control control = { 0 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control.room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (device < 0)
		return err_sys(e, "open '/dev/userfaultfd'");
	if (to < 0)
		return err_sys(e, "fetch descriptor %d", b->pair[0]);
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &device, sizeof(device));
	return sendmsg(to, &m, MSG_NOSIGNAL) < 0 ? err_sys(e, "hand '/dev/userfaultfd' over") : 0;
}

static int receive_device(struct borrowing *b, struct err *e)
{
	struct plan *p = &b->p.plan;
	const struct cmsghdr *c;
	struct inbox *in;
	long res = 0;
	int r = begin(b, e);

	if (r < 0)
		return r;
	in = plan_data(p, sizeof(*in));
	in->part = (struct iovec){ (void *)arena_there(p->arena, &in->byte).at, 1 };
	in->message =
		(struct msghdr){ .msg_iov = (void *)arena_there(p->arena, &in->part).at,
				 .msg_iovlen = 1,
				 .msg_control = (void *)arena_there(p->arena, &in->control).at,
				 .msg_controllen = sizeof(in->control.room) };
	plan_try(p, "receive '/dev/userfaultfd'", SYS_recvmsg, ARG(b->pair[1]), DATA(p, in),
		 ARG(MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
	r = run(b, &res, e);
	c = &in->control.align;
	if (r == 0 && res == 1 && c->cmsg_type == SCM_RIGHTS)
		memcpy(&b->device, CMSG_DATA(c), sizeof(b->device));
	else if (r == 0)
		r = err_res(e, res < 0 ? res : -EIO, "receive '/dev/userfaultfd'");
	end(b);
	return r;
}

static int use_device(struct borrowing *b, int *ret, struct err *e)
{
	struct plan *p = &b->p.plan;
	long res = 0;
	int r = begin(b, e);

	if (r < 0)
		return r;
	plan_try(p, "make a userfaultfd of the device", SYS_ioctl, ARG(b->device), ARG(MAKE_UFFD),
		 ARG(uffd_flags(UFFD_WRITES_WAIT)));
	plan_try(p, "close the device", SYS_close, ARG(b->device));
	plan_try(p, "close a socket", SYS_close, ARG(b->pair[0]));
	plan_try(p, "close a socket", SYS_close, ARG(b->pair[1]));
	r = run(b, &res, e);
	end(b);
	if (r == 0 && res < 0)
		r = err_res(e, res, "make a userfaultfd of the device");
	if (r == 0)
		*ret = res;
	return r;
}

int arm_by_device(struct task *t, int *ret, struct err *e)
{
	struct borrowing b = { .task = t };

	if (note_descriptors(t, e) < 0 || make_pair(&b, e) < 0 || send_device(&b, e) < 0 ||
	    receive_device(&b, e) < 0)
		return e->code;
	return use_device(&b, ret, e);
}
