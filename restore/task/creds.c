/*
 * Credentials of each thread, given up at the very end. The order is the kernel's: ids while the capabilities for
 * that are there (SECBIT_NO_SETUID_FIXUP keeps them through setresuid), the inheritable set before the bounding set
 * shrinks, ambient capabilities while they may be raised, then everything else is let go at once.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/caps.h"
#include "lib/log.h"
#include "restore/restore.h"
#include "restore/user_ns.h"

enum { CAPS_MAX = 64 };

static uint64_t to_set(const uint32_t *words, size_t count)
{
	return (count > 0 ? words[0] : 0) | (count > 1 ? (uint64_t)words[1] << 32 : 0);
}

#define SET(creds, which) to_set((creds)->cap_##which, (creds)->n_cap_##which)

/* Capabilities that this kernel has at all. */
static uint64_t known_caps(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap < CAPS_MAX && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		set |= 1ULL << cap;
	return set;
}

static uint64_t own_bounding(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap < CAPS_MAX; cap++)
		set |= (uint64_t)(prctl(PR_CAPBSET_READ, cap) == 1) << cap;
	return set;
}

static const char *first_name(uint64_t set, char *buf, size_t size)
{
	return caps_name(__builtin_ctzll(set), buf, size);
}

/* Which stands for "as it is" in calls that set ids: the thread would stay root. */
static bool has_no_id(const CredsEntry *c)
{
	const uint32_t ids[] = { c->uid, c->euid, c->suid, c->fsuid,
				 c->gid, c->egid, c->sgid, c->fsgid };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (ids[i] == UINT32_MAX)
			return true;
	return false;
}

static int check(const struct rthread *th, uint64_t known, uint64_t own, struct err *e)
{
	const CredsEntry *c = th->core->thread_core->creds;
	uint64_t missing;
	char name[64];

	if (!c)
		return err_say(e, "'core-%d.img' has no credentials", th->tid);
	if (has_no_id(c))
		return err_say(e, "'core-%d.img' has a user or group id of -1", th->tid);
	if (c->lsm_profile)
		return err_code(e, ENOTSUP,
				"thread %d had the security label '%s', which cannot be "
				"restored",
				th->tid, c->lsm_profile);
	missing = (SET(c, prm) | SET(c, inh)) & known & ~own;
	if (missing)
		return err_code(e, EPERM, "thread %d had %s, which this program does not have",
				th->tid, first_name(missing, name, sizeof(name)));
	return 0;
}

/* Those that are not mapped look like one that is none, and cannot be had again. */
static int check_maps(const struct restore *r, const struct rthread *th, struct err *e)
{
	const CredsEntry *c = th->core->thread_core->creds;
	const uint32_t users[] = { c->uid, c->euid, c->suid, c->fsuid };
	const uint32_t groups[] = { c->gid, c->egid, c->sgid, c->fsgid };

	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (!ruser_maps(r, users[i], false) || !ruser_maps(r, groups[i], true))
			return err_code(
				e, ENOTSUP,
				"thread %d was user %u, group %u, of which its user namespace "
				"has none",
				th->tid, users[i], groups[i]);
	return 0;
}

/* Ours, as the stub has them after exec: root gets all that is in the bounding set. */
static int read_born(struct restore *r, struct err *e)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];
	uint32_t gid[3], uid[3];
	int groups = getgroups(0, NULL);

	if (syscall(SYS_capget, &head, caps) < 0 || getresuid(&uid[0], &uid[1], &uid[2]) < 0 ||
	    getresgid(&gid[0], &gid[1], &gid[2]) < 0 || groups < 0)
		return err_sys(e, "read our own credentials");
	r->born.groups = pool_array(&r->pool, uint32_t, groups + 1);
	r->born.group_count = getgroups(groups, r->born.groups);
	r->born.gid = gid[0];
	r->born.plain_creds = !uid[0] && !uid[1] && !uid[2] && gid[1] == gid[0] &&
			      gid[2] == gid[0] && !caps[0].inheritable && !caps[1].inheritable &&
			      prctl(PR_GET_SECUREBITS) == 0 &&
			      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
	return 0;
}

static bool as_born(const struct restore *r, const CredsEntry *c)
{
	const struct born *b = &r->born;

	return b->plain_creds && !c->uid && !c->euid && !c->suid && !c->fsuid && c->gid == b->gid &&
	       c->egid == b->gid && c->sgid == b->gid && c->fsgid == b->gid &&
	       SET(c, eff) == r->bounding && SET(c, prm) == r->bounding &&
	       SET(c, bnd) == r->bounding && !SET(c, inh) && !SET(c, amb) && !c->secbits &&
	       !(c->has_no_new_privs && c->no_new_privs) && (int)c->n_groups == b->group_count &&
	       (!c->n_groups ||
		memcmp(c->groups, b->groups, c->n_groups * sizeof(*b->groups)) == 0);
}

static int creds_load(struct restore *r, struct err *e)
{
	/* Whoever comes into a user namespace has all that there are. */
	bool own_user = rns_is_own(r, NS_USER);
	uint64_t known = known_caps(), own = own_user ? known : own_bounding(), lost = 0;
	char name[64];

	r->bounding = own;
	if (read_born(r, e) < 0)
		return e->code;
	r->born.plain_creds &= !own_user;
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			struct rthread *th = &r->tasks[i]->threads[k];

			if (!th->core || !th->core->thread_core)
				continue;
			if (check(th, known, own, e) < 0 || check_maps(r, th, e) < 0)
				return e->code;
			th->keeps_creds = as_born(r, th->core->thread_core->creds);
			lost |= SET(th->core->thread_core->creds, bnd) & known & ~own;
		}
	/* Nobody has it; a program that is started later cannot get it either. */
	if (lost)
		log_warn(
			"%s is not in our bounding set, so it is lost from that of the restored tasks",
			first_name(lost, name, sizeof(name)));
	return 0;
}

static void set_caps(struct plan *p, uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct *head = plan_data(p, sizeof(*head));
	struct __user_cap_data_struct *caps = plan_data(p, 2 * sizeof(*caps));

	head->version = _LINUX_CAPABILITY_VERSION_3;
	for (int i = 0; i < 2; i++) {
		caps[i].effective = effective >> 32 * i;
		caps[i].permitted = permitted >> 32 * i;
		caps[i].inheritable = inheritable >> 32 * i;
	}
	plan_call(p, "set the capabilities", SYS_capset, DATA(p, head), DATA(p, caps));
}

static void set_ids(const CredsEntry *c, bool groups_stay, struct plan *p)
{
	uint32_t *groups = plan_data(p, (c->n_groups + 1) * sizeof(*groups));

	if (c->n_groups)
		memcpy(groups, c->groups, c->n_groups * sizeof(*groups));
	if (!groups_stay)
		plan_call(p, "set the groups", SYS_setgroups, ARG(c->n_groups), DATA(p, groups));
	plan_call(p, "keep capabilities when the user changes", SYS_prctl, ARG(PR_SET_SECUREBITS),
		  ARG(SECBIT_NO_SETUID_FIXUP));
	plan_call(p, "set the group ids", SYS_setresgid, ARG(c->gid), ARG(c->egid), ARG(c->sgid));
	plan_call(p, "set the user ids", SYS_setresuid, ARG(c->uid), ARG(c->euid), ARG(c->suid));
	/* What these return is the id before. */
	if (c->fsgid != c->egid)
		plan_try(p, "set the filesystem gid", SYS_setfsgid, ARG(c->fsgid));
	if (c->fsuid != c->euid)
		plan_try(p, "set the filesystem uid", SYS_setfsuid, ARG(c->fsuid));
}

static void limit_caps(const CredsEntry *c, uint64_t own, struct plan *p)
{
	uint64_t drop = own & ~SET(c, bnd), ambient = SET(c, amb);
	uint64_t setpcap = 1ULL << CAP_SETPCAP;

	/* What is inheritable may not be in the bounding set any more, but it can be added only while it is. */
	if (SET(c, inh))
		set_caps(p, SET(c, prm) | setpcap, SET(c, prm) | setpcap, SET(c, inh));
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (drop >> cap & 1)
			plan_call(p, "shrink the bounding set", SYS_prctl, ARG(PR_CAPBSET_DROP),
				  ARG(cap));
	plan_try(p, "clear the ambient set", SYS_prctl, ARG(PR_CAP_AMBIENT),
		 ARG(PR_CAP_AMBIENT_CLEAR_ALL));
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (ambient >> cap & 1)
			plan_call(p, "raise an ambient capability", SYS_prctl, ARG(PR_CAP_AMBIENT),
				  ARG(PR_CAP_AMBIENT_RAISE), ARG(cap));
}

static int creds_last(struct rthread *th, struct plan *p, struct err *e)
{
	const CredsEntry *c = th->core->thread_core->creds;

	(void)e;
	if (th->keeps_creds)
		return 0;
	set_ids(c, ruser_keeps_groups(th->task->restore), p);
	limit_caps(c, th->task->restore->bounding, p);
	plan_call(p, "set the securebits", SYS_prctl, ARG(PR_SET_SECUREBITS), ARG(c->secbits));
	set_caps(p, SET(c, eff), SET(c, prm), SET(c, inh));
	if (c->has_no_new_privs && c->no_new_privs)
		plan_call(p, "set no_new_privs", SYS_prctl, ARG(PR_SET_NO_NEW_PRIVS), ARG(1));
	return 0;
}

const struct restore_kind creds_restore_kind = {
	.name = "task/creds",
	.load = creds_load,
	.thread_last = creds_last,
};
