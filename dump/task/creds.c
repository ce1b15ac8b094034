/*
 * Credentials of each thread: ids, groups, capabilities, securebits, no_new_privs. The thread is asked, so ids are
 * those of its own user namespace. Only what the kernel does not tell the thread (the ambient set, in one piece) or
 * what is too long for the plan (many groups) is read from /proc.
 *
 * Labels of a security module are not carried: a thread whose label is not the dumper's own is refused.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/machine.h"
#include "lib/io.h"

enum { GROUPS = 64, WORDS = 2 };

struct answers {
	uint32_t uid[3], gid[3]; /* real, effective, saved */
	uint32_t groups[GROUPS];
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct caps[WORDS];
};

struct note {
	struct answers *got; /* in the plan's data */
	int fsuid, fsgid, groups, securebits, no_new_privs, bounding, caps;
};

static int creds_ask(struct thread *th, struct plan *p, void **ret_note, struct err *e)
{
	struct note *n = pool_new(&th->task->dump->pool, struct note);
	struct answers *a = plan_data(p, sizeof(*a));

	(void)e;
	n->got = a;
	plan_call(p, "ask for the user ids", SYS_getresuid, DATA(p, &a->uid[0]),
		  DATA(p, &a->uid[1]), DATA(p, &a->uid[2]));
	plan_call(p, "ask for the group ids", SYS_getresgid, DATA(p, &a->gid[0]),
		  DATA(p, &a->gid[1]), DATA(p, &a->gid[2]));
	/* An id that cannot be: the answer is the one in force. */
	n->fsuid = plan_try(p, "ask for the filesystem uid", SYS_setfsuid, ARG(-1));
	n->fsgid = plan_try(p, "ask for the filesystem gid", SYS_setfsgid, ARG(-1));
	n->groups =
		plan_try(p, "ask for the groups", SYS_getgroups, ARG(GROUPS), DATA(p, a->groups));
	a->header.version = _LINUX_CAPABILITY_VERSION_3;
	plan_call(p, "ask for the capabilities", SYS_capget, DATA(p, &a->header), DATA(p, a->caps));
	n->securebits = plan_call(p, "ask for the securebits", SYS_prctl, ARG(PR_GET_SECUREBITS));
	n->no_new_privs = plan_call(p, "ask for no_new_privs", SYS_prctl, ARG(PR_GET_NO_NEW_PRIVS));
	n->caps = machine_of(th->task->dump)->caps;
	n->bounding = n->no_new_privs + 1;
	for (int cap = 0; cap < n->caps; cap++)
		plan_call(p, "ask for the bounding set", SYS_prctl, ARG(PR_CAPBSET_READ), ARG(cap));
	*ret_note = n;
	return 0;
}

/* A set of capabilities as the messages have it. */
static uint32_t *set_to_image(struct pool *pool, uint64_t set, size_t *ret_count)
{
	uint32_t *words = pool_array(pool, uint32_t, WORDS);

	words[0] = set;
	words[1] = set >> 32;
	*ret_count = WORDS;
	return words;
}

/* What stands behind a key in the thread's status; the caller frees *ret_text. */
static int status_line(const struct thread *th, const char *key, char **ret_text,
		       const char **ret_line, struct err *e)
{
	char path[48];
	char *line;

	snprintf(path, sizeof(path), "task/%d/status", th->tid);
	if (io_slurp(th->task->proc_fd, path, ret_text, NULL, e) < 0)
		return e->code;
	line = strstr(*ret_text, key);
	if (!line)
		return err_say(e, "/proc/PID/status has no line '%s'", key + 1);
	line += strlen(key);
	line[strcspn(line, "\n")] = 0;
	*ret_line = line;
	return 0;
}

static int ambient_to_image(const struct thread *th, uint64_t inheritable, CredsEntry *ret,
			    struct err *e)
{
	own_mem char *text = NULL;
	const char *line;
	uint64_t set = 0;

	/* Only what is inheritable can be ambient. */
	if (inheritable) {
		if (status_line(th, "\nCapAmb:", &text, &line, e) < 0)
			return e->code;
		set = strtoull(line, NULL, 16);
	}
	ret->cap_amb = set_to_image(&th->task->dump->pool, set, &ret->n_cap_amb);
	return 0;
}

static int many_groups(const struct thread *th, CredsEntry *ret, struct err *e)
{
	own_mem char *text = NULL;
	const char *line;
	char *end;

	if (status_line(th, "\nGroups:", &text, &line, e) < 0)
		return e->code;
	ret->groups = pool_array(&th->task->dump->pool, uint32_t, strlen(line) / 2 + 1);
	for (;;) {
		uint32_t group = strtoul(line, &end, 10);

		if (end == line)
			return 0;
		ret->groups[ret->n_groups++] = group;
		line = end;
	}
}

static int groups_to_image(const struct thread *th, long count, const struct answers *a,
			   CredsEntry *ret, struct err *e)
{
	if (count == -EINVAL)
		return many_groups(th, ret, e);
	if (count < 0)
		return err_res(e, count, "ask for the groups");
	ret->n_groups = count;
	ret->groups = pool_copy(&th->task->dump->pool, a->groups, count * sizeof(*a->groups));
	return 0;
}

static int creds_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	struct pool *pool = &th->task->dump->pool;
	const struct note *n = note;
	const struct answers *a = n->got;
	CredsEntry *c = pool_new(pool, CredsEntry);
	uint64_t inheritable = a->caps[0].inheritable | (uint64_t)a->caps[1].inheritable << 32;
	uint64_t bounding = 0;

	creds_entry__init(c);
	c->uid = a->uid[0], c->euid = a->uid[1], c->suid = a->uid[2];
	c->gid = a->gid[0], c->egid = a->gid[1], c->sgid = a->gid[2];
	c->fsuid = plan_result(p, n->fsuid);
	c->fsgid = plan_result(p, n->fsgid);
	c->secbits = plan_result(p, n->securebits);
	c->no_new_privs = plan_result(p, n->no_new_privs);
	c->has_no_new_privs = c->no_new_privs != 0;
	for (int cap = n->caps - 1; cap >= 0; cap--)
		bounding = bounding << 1 | (plan_result(p, n->bounding + cap) == 1);
	c->cap_inh = set_to_image(pool, inheritable, &c->n_cap_inh);
	c->cap_prm = set_to_image(pool, a->caps[0].permitted | (uint64_t)a->caps[1].permitted << 32,
				  &c->n_cap_prm);
	c->cap_eff = set_to_image(pool, a->caps[0].effective | (uint64_t)a->caps[1].effective << 32,
				  &c->n_cap_eff);
	c->cap_bnd = set_to_image(pool, bounding, &c->n_cap_bnd);
	th->core->thread_core->creds = c;
	if (ambient_to_image(th, inheritable, c, e) < 0)
		return e->code;
	return groups_to_image(th, plan_result(p, n->groups), a, c, e);
}

static int creds_thread_read(struct thread *th, struct err *e)
{
	const char *own = machine_of(th->task->dump)->label;
	char label[512], path[48];

	if (!*own)
		return 0;
	snprintf(path, sizeof(path), "task/%d/attr/current", th->tid);
	machine_read_label(th->task->proc_fd, path, label, sizeof(label));
	if (strcmp(own, label) == 0)
		return 0;
	err_code(e, ENOTSUP, "it has the security label '%s', which cannot be restored", label);
	return err_hint(e, "this program has '%s'", own);
}

const struct task_kind creds_task_kind = {
	.name = "task/creds",
	.thread_read = creds_thread_read,
	.thread_ask = creds_ask,
	.thread_save = creds_save,
};
