/*
 * Who is born of whom, and in which session.
 *
 * A session can only be founded (setsid) or be born into. So a task whose session is not its parent's was
 * born before its parent founded one, or of somebody in that session who is gone. Such a founder is stood
 * in for by a helper with its pid, a child of the task's parent: it founds the session, clones the task with
 * CLONE_PARENT, and leaves before the tree runs. A helper also stands in for a process group whose leader is gone.
 */
#include "restore/births.h"

#include <errno.h>
#include <string.h>

#include "restore/load.h"
#include "restore/ns.h"

/* Child of parent, in its session and group until the caller says otherwise. NULL: e tells why. */
static struct rtask *add_helper(struct restore *r, struct rtask *parent, int pid, struct err *e)
{
	struct rtask *h = load_add_task(r, e);

	if (!h)
		return NULL;
	h->helper = true;
	h->state = 1;
	h->pid = pid;
	h->parent = parent;
	h->creator = parent;
	h->birth_sid = parent ? parent->sid : 0;
	h->sid = h->birth_sid;
	h->pgid = pid; /* it leads its group in any case */
	h->thread_count = 1;
	h->threads = pool_new(&r->pool, struct rthread);
	h->threads[0] = (struct rthread){ .tid = pid, .task = h };
	return h;
}

/* In the job of a shell the session of the restorer stands for the one that was. */
static bool in_our_session(const struct rtask *t)
{
	const struct rtask *root = t->restore->tasks[0];

	return t->restore->opt->shell_job && t->sid == root->sid && root->sid != root->pid;
}

static int decide_session(struct restore *r, struct rtask *t, struct err *e)
{
	struct rtask *p = t->parent, *leader;

	t->creator = p;
	if (t->sid == t->pid) {
		t->birth_sid = p ? p->sid : 0;
		return 0;
	}
	t->birth_sid = t->sid;
	if (p ? p->sid == t->sid : in_our_session(t))
		return 0;
	if (p && p->sid == p->pid && p->birth_sid == t->sid) {
		t->before_setsid = true;
		return 0;
	}
	if (t->sid == 0)
		return err_say(e,
			       "the session of pid %d came from outside of its pid namespace; use "
			       "--shell-job",
			       t->pid);
	leader = load_find(r, t->sid);
	if (!leader) {
		leader = add_helper(r, p, t->sid, e);
		if (!leader)
			return e->code;
		leader->sid = t->sid;
	}
	if (leader->sid != leader->pid)
		return err_say(
			e,
			"'pstree.img' has pid %d in the session of pid %d, which is itself in "
			"that of pid %d",
			t->pid, t->sid, leader->sid);
	if (leader->parent == p) {
		t->creator = leader;
		return 0;
	}
	err_code(e, ENOTSUP,
		 "pid %d is in the session of pid %d, which is neither its parent nor a "
		 "sibling; that cannot be rebuilt",
		 t->pid, t->sid);
	return e->code;
}

/* Somebody with this pid has to be there for the group to exist. */
static int decide_group(struct restore *r, struct rtask *t, struct err *e)
{
	if (t->pgid == 0 || load_find(r, t->pgid))
		return 0;
	if (r->opt->shell_job && t->pgid == r->tasks[0]->pgid)
		return 0; /* the group of the restorer stands for it */
	return add_helper(r, t, t->pgid, e) ? 0 : e->code;
}

/* They are going to have the same numbers for us as in the images. */
static void number_all(struct restore *r)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++)
			r->tasks[i]->threads[k].here = r->tasks[i]->threads[k].tid;
}

int births_decide(struct restore *r, struct err *e)
{
	const struct rtask *root = r->tasks[0];
	size_t count = r->task_count;

	for (size_t i = 0; i < count; i++)
		if (decide_session(r, r->tasks[i], e) < 0 || decide_group(r, r->tasks[i], e) < 0)
			return e->code;
	if (root->sid != root->pid && !r->opt->shell_job && !load_find(r, root->sid)->helper)
		return err_say(
			e,
			"the root of the tree is not the leader of its session; use --shell-job");
	if (!rns_is_own(r, NS_PID) || r->opt->dry_run)
		number_all(r);
	return 0;
}
