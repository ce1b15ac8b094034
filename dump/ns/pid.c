/*
 * The pid namespace. We see processes by our numbers, and so does all that looks at them from outside; the images have those of
 * inside, as /proc/PID/status tells them (NSpid and the like, the last of each line).
 *
 * Only a namespace whose first process is the root of the tree can be made again, and it has to have nobody else in it, whom its end
 * would kill.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dump/files.h"
#include "dump/ns.h"
#include "images/image.h"
#include "images/ns/pid.pb-c.h"
#include "lib/io.h"
#include "lib/proc.h"

static int read_thread(struct thread *th, struct err *e)
{
	char path[48];

	snprintf(path, sizeof(path), "task/%d/status", th->tid);
	return proc_inner(th->task->proc_fd, path, "NSpid:", &th->inner, e);
}

static int read_task(struct task *t, struct err *e)
{
	if (proc_inner(t->proc_fd, "status", "NSpid:", &t->inner, e) < 0 ||
	    proc_inner(t->proc_fd, "status", "NSpgid:", &t->inner_pgrp, e) < 0 ||
	    proc_inner(t->proc_fd, "status", "NSsid:", &t->inner_session, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->thread_count; i++)
		if (read_thread(&t->threads[i], e) < 0)
			return e->code;
	return 0;
}

static void take_ours(struct task *t)
{
	t->inner = t->pid;
	t->inner_pgrp = t->stat.pgrp;
	t->inner_session = t->stat.session;
	for (size_t i = 0; i < t->thread_count; i++)
		t->threads[i].inner = t->threads[i].tid;
}

int ns_read_pids(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++) {
		if (!ns_is_own(d, NS_PID))
			take_ours(d->tasks[i]);
		else if (read_task(d->tasks[i], e) < 0)
			return err_on(e, "pid %d", d->tasks[i]->pid);
	}
	return 0;
}

int ns_pid_inside(const struct dump *d, int pid)
{
	if (!ns_is_own(d, NS_PID))
		return pid;
	for (size_t i = 0; i < d->task_count; i++) {
		const struct task *t = d->tasks[i];

		if (t->pid == pid)
			return t->inner;
		for (size_t k = 0; k < t->thread_count; k++)
			if (t->threads[k].tid == pid)
				return t->threads[k].inner;
	}
	return 0;
}

int ns_group_inside(const struct dump *d, int pgrp)
{
	if (!ns_is_own(d, NS_PID))
		return pgrp;
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->stat.pgrp == pgrp)
			return d->tasks[i]->inner_pgrp;
	return 0;
}

int ns_session_inside(const struct dump *d, int session)
{
	if (!ns_is_own(d, NS_PID))
		return session;
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->stat.session == session)
			return d->tasks[i]->inner_session;
	return 0;
}

/* Whom the end of the tree would kill although it is not in the images. */
static int check_stranger(struct dump *d, int pid, struct err *e)
{
	char name[64];
	struct err gone = { 0 };
	own_fd proc = -1;

	if (files_has_thread(d, pid) || proc_open(pid, &proc, &gone) < 0 ||
	    namespace_of(proc, "pid") != d->ns->ino[NS_PID])
		return 0;
	err_code(e, ENOTSUP, "%s lives there, too, and is not a descendant of it",
		 proc_name(pid, name, sizeof(name)));
	return err_hint(e, "end pid %d, or dump with --leave-running", pid);
}

static int check_strangers(struct dump *d, struct err *e)
{
	own_dir proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    check_stranger(d, atoi(entry->d_name), e) < 0)
			return e->code;
	return proc ? 0 : err_sys(e, "open '/proc'");
}

/* NULL: it is the tree's. */
static const char *external_key(const struct dump *d)
{
	const char *name = NULL;
	char key[48];

	snprintf(key, sizeof(key), "pid[%lu]", (unsigned long)d->ns->ino[NS_PID]);
	return options_external(d->opt, key, &name) ? name : NULL;
}

/* Of one that is the tree's there is nothing to be said. */
static int pid_save(struct dump *d, uint32_t id, struct err *e)
{
	PidnsEntry m = PIDNS_ENTRY__INIT;

	m.ext_key = (char *)external_key(d);
	return m.ext_key ? image_save(d->images, IMG_PIDNS, id, &m, e) : 0;
}

static int pid_check(struct dump *d, struct err *e)
{
	const struct task *root = d->tasks[0];

	if (external_key(d))
		return *external_key(d) ? 0 : err_say(e, "--external pid[INODE] lacks ':NAME'");
	if (root->inner != 1) {
		err_code(e, ENOTSUP, "it is not the first process there, but number %d",
			 root->inner);
		return err_hint(e, "dump the tree of that one, or use --external pid[%lu]:NAME",
				(unsigned long)d->ns->ino[NS_PID]);
	}
	return d->opt->leave_running ? 0 : check_strangers(d, e);
}

const struct ns_kind pid_ns_kind = {
	.name = "ns/pid", .kind = NS_PID, .check = pid_check, .save = pid_save
};
