/*
 * Whose terminals they are: the session that each controls, the group in its foreground, and whether its other
 * end is in the tree. Told by tty_nr and tpgid of /proc/PID/stat.
 */
#include "dump/ns.h"
#include "dump/ttys.h"

#include <errno.h>
#include <string.h>

#include "dump/files_table.h"
#include "lib/proc.h"

/* Numbers of the images for what is no pty; those from 2000 on are ours. */
enum {
	INDEX_CONSOLE = 1002,
	INDEX_VIRTUAL = 1004,
	INDEX_OWN = 1006,
	INDEX_SERIAL = 1010,
	INDEX_EXTERNAL = 1012,
	INDEX_HUNG_UP = 2000, /* + number of the pty, which may be somebody else's by now */
	INDEX_OWN_FURTHER = 4000,
};

/* CRIU knows one /dev/tty; further ones, of other sessions in the tree, are numbered after their ptys. */
static uint32_t own_id(const struct tty *known, const struct tty *t)
{
	bool any = false;

	for (; known; known = known->next) {
		if (known->sort == TTY_OWN && known->device == t->device)
			return known->info.id;
		any |= known->sort == TTY_OWN;
	}
	return 2 * (any ? INDEX_OWN_FURTHER + t->index : INDEX_OWN);
}

static uint32_t external_id(const struct tty *known, const struct tty *t)
{
	unsigned int n = 0;

	for (; known; known = known->next) {
		if (known->external && known->file->st.st_rdev == t->file->st.st_rdev)
			return known->info.id;
		n += known->external;
	}
	return 2 * (INDEX_EXTERNAL + n);
}

uint32_t tty_id(const struct tty *known, const struct tty *t)
{
	if (t->external)
		return external_id(known, t);
	switch (t->sort) {
	case TTY_MASTER:
		return 2 * t->index + 1;
	case TTY_SLAVE:
		return 2 * (t->index + (t->device ? 0 : INDEX_HUNG_UP));
	case TTY_OWN:
		return own_id(known, t);
	case TTY_CONSOLE:
		return 2 * INDEX_CONSOLE;
	case TTY_VIRTUAL:
		return 2 * INDEX_VIRTUAL;
	default:
		return 2 * INDEX_SERIAL;
	}
}

static bool in_tree(const struct dump *d, int pid)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->inner == pid)
			return true;
	return false;
}

static bool has_master(const struct dump *d, const struct tty *t)
{
	if (tty_major(t->device) != PTS_MAJOR)
		return false;
	for (const struct tty *other = d->files->ttys; other; other = other->next)
		if (other->sort == TTY_MASTER && other->index == t->index)
			return true;
	return false;
}

/* The terminal that a task can call /dev/tty. */
static int assign(struct task *t, struct err *e)
{
	struct dump *d = t->dump;
	const struct proc_stat *stat = &t->stat;
	bool found = false;

	if (t->state == TASK_DEAD)
		return 0;
	for (struct tty *tty = d->files->ttys; tty && stat->tty; tty = tty->next) {
		if (tty->device != stat->tty)
			continue;
		found = true;
		tty->info.sid = ns_session_inside(d, stat->session);
		tty->info.pgrp = stat->tty_pgrp > 0 ? ns_group_inside(d, stat->tty_pgrp) : 0;
	}
	if (!stat->tty || found || stat->session != t->pid)
		return 0;
	err_code(e, ENOTSUP,
		 "pid %d leads the session of a terminal (device %u:%u) that no "
		 "descriptor in the tree is of",
		 t->pid, tty_major(stat->tty), tty_minor(stat->tty));
	return err_hint(e, "start it with setsid, without that terminal");
}

/* A shell job: the session of its terminal is led by somebody outside. */
static bool is_shell_job(const struct dump *d, const struct tty *t)
{
	return d->opt->shell_job && t->info.sid && !in_tree(d, t->info.sid);
}

/* Of a devpts that is not ours: a container's, whose manager has the master and gets another one at the restore. */
static bool is_containers(const struct tty *t)
{
	struct stat ours;

	return t->sort == TTY_SLAVE && stat("/dev/pts", &ours) == 0 &&
	       t->file->st.st_dev != ours.st_dev;
}

static int check(const struct dump *d, const struct tty *t, const struct tty **job, struct err *e)
{
	const struct file *f = t->file;

	if (t->sort == TTY_MASTER || t->external || !t->device || has_master(d, t) ||
	    is_containers(t))
		return 0;
	if (!is_shell_job(d, t)) {
		err_say(e, "'%s' is a terminal from outside of the tree", f->link);
		files_blame(f, e);
		return err_hint(e,
				"use --shell-job for a job started from a shell, or --external "
				"'tty[%lx:%lx]'",
				(unsigned long)f->st.st_rdev, (unsigned long)f->st.st_dev);
	}
	if (*job && (*job)->device != t->device) {
		err_say(e, "'%s' and '%s' are two terminals from outside of the tree", f->link,
			(*job)->file->link);
		return files_blame(f, e);
	}
	*job = t;
	return 0;
}

int ttys_assign(struct dump *d, struct err *e)
{
	const struct tty *job = NULL;

	for (size_t i = 0; i < d->task_count; i++)
		if (assign(d->tasks[i], e) < 0)
			return e->code;
	for (struct tty *t = d->files->ttys; t; t = t->next) {
		if (check(d, t, &job, e) < 0)
			return e->code;
		/* CRIU finds the pty by the session, and calls an image that says it otherwise corrupted. */
		if (t->sort == TTY_OWN && t->info.sid)
			t->info.pty = NULL;
	}
	return 0;
}
